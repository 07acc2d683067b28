"""The folders of configs: the tree that comes with Callring, and the folders of the command line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

_PACKAGED = Path(__file__).resolve().parents[1] / "conf"
CONF = _PACKAGED if _PACKAGED.is_dir() else _PACKAGED.parent.parent / "conf"
"""The config tree: inside the package when installed from a wheel, beside it in a checkout."""


def named_folders(arguments: Sequence[str]) -> list[Path]:
    """The folders that ``--config-dir`` names."""
    short = ("--config-dir", "-cd")
    joined = [argument.partition("=")[2] for argument in arguments if argument.startswith("--config-dir=")]
    apart = [value for option, value in itertools.pairwise(arguments) if option in short]
    return [Path(folder) for folder in joined + apart]
