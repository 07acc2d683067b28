"""What the supported versions of Hydra call differently: 1.3, and 1.4 with its OmegaConf 2.4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hydra
from omegaconf import OmegaConf

HYDRA = tuple(int(part) for part in hydra.__version__.split(".")[:2])
"""Major and minor version."""

COMPATIBILITY: dict[str, str] = {"version_base": "1.3"} if HYDRA < (1, 4) else {}
"""What ``hydra.main`` and ``initialize`` take to behave as 1.4 does, which takes nothing."""


def register_resolver(name: str, function: Callable[..., Any], *, cached: bool) -> None:
    """Lets configs say ``${name:...}``; cached: the function is called once for the same words."""
    # OmegaConf 2.4 gave it another name, and warns of the old one.
    register = getattr(OmegaConf, "register_resolver" if HYDRA >= (1, 4) else "register_new_resolver")
    register(name, function, use_cache=cached, replace=True)
