"""Checks of parts of a config without known keys: mappings with names that the user chose, and lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.errors import ConfigurationError


def named(value: object, key: str, what: str) -> Mapping[str, Any]:
    """The mapping, if it is one from names to values. Raises ConfigurationError."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{key}={value!r}: a mapping from names to {what}")
    for name in value:
        if not isinstance(name, str) or not name.isidentifier():
            raise ConfigurationError(f"{key}.{name}: a name is letters, digits and _, and begins with no digit")
    return value


def sequence(value: object, key: str, what: str) -> Sequence[Any]:
    """The list, if it is one. Raises ConfigurationError."""
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{key}={value!r}: a list of {what}")
    return value
