"""Differences between the supported versions of Hydra: 1.3, and 1.4 with its OmegaConf 2.4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hydra
from omegaconf import OmegaConf

HYDRA = tuple(int(part) for part in hydra.__version__.split(".")[:2])
"""Major and minor version."""

COMPATIBILITY: dict[str, str] = {"version_base": "1.3"} if HYDRA < (1, 4) else {}
"""Arguments of ``hydra.main`` and ``initialize`` for the behaviour of 1.4, which needs none."""


def register_resolver(name: str, function: Callable[..., Any], *, cached: bool) -> None:
    """Registers a resolver ``${name:...}``. ``cached``: the function is called once for the same arguments."""
    # OmegaConf 2.4 renamed the function, and warns about the old name.
    register = getattr(OmegaConf, "register_resolver" if HYDRA >= (1, 4) else "register_new_resolver")
    register(name, function, use_cache=cached, replace=True)
