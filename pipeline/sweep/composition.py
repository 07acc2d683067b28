"""Composes each point of a sweep once and fast: points that differ only in plain values share one composition.

Hydra composes every point from the files twice, to validate it and to run it. Here the composition of the validation is
kept until the launcher needs it. A point that differs from an earlier point only in the values of plain keys is a copy
of that point with these values set; the result equals Hydra's own composition.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
from typing import TYPE_CHECKING, Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.hydra_glue.override_dirname import set_override_dirname

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override
    from hydra.types import HydraContext
    from omegaconf import DictConfig

_PLAIN = (bool, int, float, str, type(None))


class PointLoader:
    """Stands in for Hydra's config loader in a sweep, and passes every other call on to it.

    A copy in another process, as some launchers make it, has none of the compositions and makes its own.

    Args:
        loader: Hydra's loader.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._models: dict[tuple[str, ...], bytes] = {}
        """The compositions, pickled: unpickling is four times as fast as copying a DictConfig."""

    def compose(self, master: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """Composes a point and keeps it for its launcher, which also gets the caller's changes.

        Raises Hydra's error for a configuration that cannot be composed.
        """
        config = self._compose(master, list(overrides))
        self._composed[tuple(overrides)] = config
        return config

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """The configuration of a point; the caller may change it."""
        kept = self._composed.pop(tuple(sweep_overrides), None)
        return self._compose(master_config, sweep_overrides) if kept is None else kept

    def _compose(self, master: DictConfig, overrides: list[str]) -> DictConfig:
        parsed = OverridesParser.create().parse_overrides(overrides)
        shape = tuple(override.key_or_group if _is_plain(override) else str(override.input_line) for override in parsed)
        model = self._models.get(shape)
        if model is not None:
            try:
                return _with_values(model, master, parsed)
            except OmegaConfBaseException:
                pass  # Hydra's own composition raises the error
        composed: DictConfig = self._loader.load_sweep_config(master, overrides)
        # A pickle, because the launcher changes its copy. Pickling may fail for a class of a user or plugin, for
        # instance if this process has the class twice.
        with contextlib.suppress(pickle.PicklingError, AttributeError, TypeError):
            self._models[shape] = pickle.dumps(composed, pickle.HIGHEST_PROTOCOL)
        return composed

    def forget(self) -> None:
        """Drops unused compositions: a launcher with other processes composes its points in those."""
        self._composed.clear()

    def __getattr__(self, name: str) -> Any:
        """Passes all other attributes to the loader."""
        if name.startswith("__") or name == "_loader":
            raise AttributeError(name)
        return getattr(self._loader, name)

    def __getstate__(self) -> dict[str, Any]:
        """Only the loader is passed to other processes."""
        return {"_loader": self._loader, "_composed": {}, "_models": {}}


def with_point_loader(context: HydraContext) -> HydraContext:
    """The context with this loader instead of Hydra's."""
    loader = cast("ConfigLoader", PointLoader(context.config_loader))
    return dataclasses.replace(context, config_loader=loader)


def _is_plain(override: Override) -> bool:
    """Whether an override only sets a dotted key, which cannot be the name of a config group, to a value."""
    special = override.is_add() or override.is_force_add() or override.is_delete() or override.is_sweep_override()
    key = override.key_or_group
    in_section = "." in key and "/" not in key and not key.startswith("hydra.") and override.package is None
    return not special and in_section and isinstance(override.value(), _PLAIN)


def _with_values(model: bytes, master: DictConfig, parsed: Sequence[Override]) -> DictConfig:
    config: DictConfig = pickle.loads(model)
    for override in parsed:
        if _is_plain(override):
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
    of_the_task = [override for override in parsed if not override.is_hydra_override()]
    config.hydra.overrides.task = [override.input_line for override in of_the_task]
    set_override_dirname(config, of_the_task)
    OmegaConf.copy_cache(from_config=master, to_config=config)
    return config
