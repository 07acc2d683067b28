"""Checks of what a config declares: known keys, kinds of values; every refusal names the key and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config.suggest import near_or_all
from runtime.errors import ConfigurationError


def mapping(value: object, key: str, allowed: Sequence[str]) -> Mapping[str, Any]:
    """A mapping with no other keys than ``allowed``. Raises ConfigurationError."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{key}={value!r}: a mapping with {', '.join(allowed)}")
    for name, given in value.items():
        if name not in allowed:
            raise ConfigurationError(f"{key}.{name}={given!r}: no such key{near_or_all(name, allowed)}")
    return value


def named(value: object, key: str, what: str) -> Mapping[str, Any]:
    """A mapping from names to anything. Raises ConfigurationError."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{key}={value!r}: a mapping from names to {what}")
    for name in value:
        if not isinstance(name, str) or not name.isidentifier():
            raise ConfigurationError(f"{key}.{name}: a name is letters, digits and _, and begins with no digit")
    return value


def sequence(value: object, key: str, what: str) -> Sequence[Any]:
    """A list. Raises ConfigurationError."""
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{key}={value!r}: a list of {what}")
    return value


def number(value: object, key: str) -> float:
    """A number that is not negative. Raises ConfigurationError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigurationError(f"{key}={value!r}: must be a number, 0 or more")
    return float(value)
