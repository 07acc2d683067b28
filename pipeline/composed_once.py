"""Composes the configuration of a single run once.

Hydra composes it from the files twice: to learn whether it asks for a sweep (``hydra.mode``), and to run it. That is
most of what a run with nothing to build would take. Here the first composition is already the strict one of a single
run and is kept for the second.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from hydra._internal import hydra as implementation
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

_MODE_NOT_GIVEN = "hydra.mode=RUN"
"""What Hydra adds to the command line of a single run if no config says the mode."""


class _Loader(ConfigLoaderImpl):
    """Hydra's, which gives a composition to whoever asks for it after the question for the mode."""

    _kept: tuple[list[str], DictConfig] | None = None

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        kept, self._kept = self._kept, None
        if not validate_sweep_overrides:
            # The question for the mode, which is asked as if it were a sweep.
            with contextlib.suppress(HydraException):  # a sweep after all, or wrong: Hydra says which
                config = super().load_configuration(config_name, overrides, RunMode.RUN, from_shell, True)
                self._kept = list(overrides), config
                return config
        elif kept is not None and run_mode is RunMode.RUN:
            asked, config = kept
            if overrides == asked:
                return config
            if overrides == [*asked, _MODE_NOT_GIVEN]:
                config.hydra.mode = RunMode.RUN
                config.hydra.overrides.hydra.append(_MODE_NOT_GIVEN)
                return config
        return super().load_configuration(config_name, overrides, run_mode, from_shell, validate_sweep_overrides)


@contextlib.contextmanager
def composed_once() -> Iterator[None]:
    """While the block runs, Hydra applications compose with our loader."""
    module: Any = implementation
    theirs = module.ConfigLoaderImpl
    module.ConfigLoaderImpl = _Loader
    try:
        yield
    finally:
        module.ConfigLoaderImpl = theirs
