"""Values that a configuration takes from environment variables: used, but not written into results."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.resolvers import oc

from pipeline.hydra_glue.versions import register_resolver

_NAME = "oc.env"
_BETWEEN = "\0"
"""The separator of keys in a path, as a key may contain a dot."""
_asked = [0]
"""How often the environment was read."""


def _counted(*arguments: Any) -> Any:
    _asked[0] += 1
    return oc.env(*arguments)


register_resolver(_NAME, _counted, cached=False)


def resolved(config: DictConfig) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration as plain values, and the paths of keys whose values come from the environment.

    Each such path comes with its interpolation, also if that refers to the environment through other keys.

    Raises OmegaConf's error for an interpolation that cannot be resolved.
    """
    before = _asked[0]
    plain = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    assert isinstance(plain, dict)
    values = {str(key): value for key, value in plain.items()}
    return values, dict(_marked(config, "")) if _asked[0] != before else {}


def without_values(config: Mapping[str, Any], marked: Mapping[str, str]) -> dict[str, Any]:
    """A copy of plain values in which the interpolations of ``resolved`` replace their values."""
    shown: dict[str, Any] = copy.deepcopy(dict(config))
    for key, interpolation in marked.items():
        *path, last = key.split(_BETWEEN)
        at: Any = shown
        for part in path:
            at = at[int(part) if isinstance(at, list) else part]
        at[int(last) if isinstance(at, list) else last] = interpolation
    return shown


def _marked(config: DictConfig | ListConfig, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key in range(len(config)) if isinstance(config, ListConfig) else list(config):
        path = f"{prefix}{key}"
        if OmegaConf.is_missing(config, key):
            continue
        before = _asked[0]
        value: Any = config[key]
        if OmegaConf.is_interpolation(config, key) and _asked[0] != before:
            node: Any = config._get_node(key)
            found.append((path, str(node._value())))
        elif isinstance(value, (DictConfig, ListConfig)):
            found += _marked(value, f"{path}{_BETWEEN}")
    return found
