"""Checks every configuration that Hydra composes before Hydra uses it, that is, before logging and callbacks start."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import OmegaConf

from pipeline.config.trust import require_trusted
from pipeline.hydra_glue.versions import HYDRA

if TYPE_CHECKING:
    from omegaconf import DictConfig

_COMPOSES = "_load_configuration" if HYDRA >= (1, 4) else "load_configuration"
"""The method that makes every composition; in 1.4 the public method calls it, too."""


@contextlib.contextmanager
def only_trusted(arguments: Sequence[str], packaged: Path) -> Iterator[None]:
    """While the block runs, composing a configuration that ``pipeline.config.trust`` refuses raises ConfigurationError.

    The points of a sweep are composed in this process before a launcher gets them.

    Args:
        arguments: the command line.
        packaged: the config tree that comes with Callring.
    """
    theirs = getattr(ConfigLoaderImpl, _COMPOSES)

    @functools.wraps(theirs)
    def load_configuration(self: ConfigLoaderImpl, config_name: str | None, *args: Any, **options: Any) -> DictConfig:
        config: DictConfig = theirs(self, config_name, *args, **options)
        plain = OmegaConf.to_container(config, resolve=False)
        assert isinstance(plain, dict)
        values = {str(key): value for key, value in plain.items()}
        require_trusted(values, arguments, _primary(self, config_name, packaged))
        return config

    setattr(ConfigLoaderImpl, _COMPOSES, load_configuration)
    try:
        yield
    finally:
        setattr(ConfigLoaderImpl, _COMPOSES, theirs)


def _primary(loader: ConfigLoaderImpl, name: str | None, packaged: Path) -> Path | None:
    """The file of the primary config, found as Hydra finds it; None if it is Callring's."""
    for place in loader.get_search_path().get_path():
        if not str(place.path).startswith("file://"):
            continue
        folder = Path(str(place.path).removeprefix("file://"))
        file = folder / f"{str(name).removesuffix('.yaml')}.yaml"
        if file.is_file():
            return None if folder.resolve() == packaged.resolve() else file
    return None
