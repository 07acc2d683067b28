"""``hydra.job.override_dirname``, which Hydra 1.3 writes into every composition, and 1.4 computes when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydra._internal import config_loader_impl

from pipeline.hydra_glue.versions import HYDRA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig


def set_override_dirname(config: DictConfig, overrides: Sequence[Override]) -> None:
    """Sets the key as Hydra 1.3 would for a configuration with these overrides, without Hydra's own overrides."""
    if HYDRA >= (1, 4):
        return
    form = config.hydra.job.config.override_dirname
    config.hydra.job.override_dirname = config_loader_impl.get_overrides_dirname(
        overrides=list(overrides), kv_sep=form.kv_sep, item_sep=form.item_sep, exclude_keys=form.exclude_keys
    )
