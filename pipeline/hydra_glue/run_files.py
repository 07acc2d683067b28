"""Hydra's own files in a run directory, such as ``.hydra/config.yaml``: on a full disk, the error names the directory.

Hydra opens a file and writes it. Python's error of a write does not name the file, and Hydra has no hook there.
"""

from __future__ import annotations

from pathlib import Path

from hydra.core import utils
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pipeline.common.places import run_directory_written

_theirs = utils._save_config


def _save_config(cfg: DictConfig, filename: str, output_dir: Path) -> None:
    with run_directory_written(output_dir.parent, sweep=HydraConfig.get().mode is RunMode.MULTIRUN):
        _theirs(cfg, filename, output_dir)


def name_run_files() -> None:
    """From now on, Hydra raises ConfigurationError in this process if it cannot write its files."""
    utils._save_config = _save_config
