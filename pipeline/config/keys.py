"""The keys of a config, written once: a dataclass has their types, defaults and ranges, its docstrings describe them.

Hydra takes dataclasses as structured configs. ``key`` adds a range to a field, in the terms of JSON Schema; ``checked``
compares the user's values with it, and pipeline.admin.schema_document documents it. A schema library would need the
same dataclasses for Hydra in addition to its own classes, and import time at every start.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from pipeline.config.suggest import near, near_or_all
from runtime.errors import ConfigurationError

_KINDS: dict[str, tuple[Any, str]] = {
    "int": (int, "an integer"),
    "float": ((int, float), "a number"),
    "bool": (bool, "true or false"),
    "str": (str, "text"),
    "list": (list, "a list"),
    "dict": (Mapping, "a mapping"),
}


def key(default: Any, **schema: Any) -> Any:
    """A field with a default (which may be a list or a mapping) and terms of JSON Schema, such as ``minimum=0``."""
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=default.copy, metadata=schema)
    return dataclasses.field(default=default, metadata=schema)


def keys_of(kind: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a dataclass by key. A key that is a Python keyword, such as ``for``, has a field ``for_``."""
    return {field.name.removesuffix("_"): field for field in dataclasses.fields(kind)}


def checked(kind: type[Any], config: object, at: str) -> Mapping[str, Any]:
    """Returns the user's mapping unchanged, after checking that it has only keys of a dataclass and values in range.

    Args:
        kind: the dataclass.
        config: the composed values, as plain values.
        at: the dotted key of ``config``, for messages; empty: the whole configuration.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    known = keys_of(kind)
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"{at}={config!r}: a mapping with {', '.join(known)}")
    for name, value in config.items():
        path = f"{at}.{name}" if at else str(name)
        if name not in known:
            raise ConfigurationError(f"{path}={value!r}: no such key{near_or_all(name, known)}")
        section = known[name].default_factory
        if isinstance(section, type) and dataclasses.is_dataclass(section):
            if value is not None:
                checked(section, value, path)
        else:
            _require(known[name], value, path)
    return config


def filled(kind: type[Any], config: object, at: str) -> Any:
    """An instance of the dataclass with the user's values, and defaults for the rest. Raises like ``checked``, and also
    the errors of the dataclass."""
    return kind(**{name: value for name, value in checked(kind, config, at).items() if value is not None})


def _require(field: dataclasses.Field[Any], value: object, path: str) -> None:
    written = field.type if isinstance(field.type, str) else field.type.__name__
    name, _, optional = written.partition(" | ")
    name = name.partition("[")[0]
    # An empty section is null in YAML.
    if name not in _KINDS or optional not in ("", "None") or (value is None and (optional or name in ("list", "dict"))):
        return
    kind, words = _KINDS[name]
    schema = field.metadata
    if "enum" in schema:
        if value not in schema["enum"]:
            options = ", ".join(option or "''" for option in schema["enum"])
            raise ConfigurationError(f"{path}={value!r}: one of {options}{near(str(value), schema['enum'])}")
        return
    fits = isinstance(value, kind) and isinstance(value, bool) is (kind is bool)
    if fits and isinstance(value, (int, float)):
        fits = (
            math.isfinite(value)
            and schema.get("minimum", value) <= value <= schema.get("maximum", value)
            and value > schema.get("exclusiveMinimum", -math.inf)
        )
    if not fits:
        raise ConfigurationError(f"{path}={value!r}: {words}{range_words(schema)}")


def range_words(schema: Mapping[str, Any]) -> str:
    """The range of a number as text, with a leading space; empty if it has none."""
    words = ""
    if "minimum" in schema:
        words += f" from {schema['minimum']}"
    if "exclusiveMinimum" in schema:
        words += f" more than {schema['exclusiveMinimum']}"
    if "maximum" in schema:
        words += f" to {schema['maximum']}"
    return words
