"""Shell completion that Hydra lacks: the values of keys with a few allowed values."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from hydra.plugins.completion_plugin import CompletionPlugin


@contextlib.contextmanager
def values_completed(schema: type) -> Iterator[None]:
    """While the block runs, completions include the values of keys with a few allowed values.

    Args:
        schema: dataclass of the whole configuration.
    """
    plugin: Any = CompletionPlugin
    theirs = plugin._query

    def query(self: CompletionPlugin, config_name: str | None, line: str) -> list[str]:
        key, equals, begun = line.rpartition(" ")[2].partition("=")
        values = _values(schema, key.lstrip("+").split(".")) if equals else []
        found: list[str] = theirs(self, config_name, line)
        return [f"{key}={value}" for value in values if value.startswith(begun)] if values else found

    plugin._query = query
    try:
        yield
    finally:
        plugin._query = theirs


def _values(schema: type, path: Sequence[str]) -> list[str]:
    kind: Any = schema
    for name in path:
        kind = typing.get_type_hints(kind).get(name) if hasattr(kind, "__dataclass_fields__") else None
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [member.name for member in kind]
    return ["false", "true"] if kind is bool else []
