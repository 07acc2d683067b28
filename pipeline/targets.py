"""Python targets that a config names: taken from allowed packages only, and looked up without Hydra's instantiation."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.messages import near
from runtime.errors import ConfigurationError


class Lookup(NamedTuple):
    """Where what a config names is looked for."""

    folders: Sequence[Path]
    """For files, in order."""
    packages: Sequence[str]
    """Package prefixes that Python targets may come from."""


def takes_handles(function: object) -> bool:
    """Whether a callable wants the workload's handles, as the keyword ``handles``."""
    if not inspect.isroutine(function):
        return False
    parameter = inspect.signature(function).parameters.get("handles")
    return parameter is not None and parameter.kind is inspect.Parameter.KEYWORD_ONLY


def resolve_target(target: str, key: str, packages: Sequence[str]) -> Any:
    """The object behind ``"module:qualname"``.

    Args:
        target: what the config says.
        key: the config key, for messages.
        packages: package prefixes that are allowed.

    Raises:
        ConfigurationError: malformed, outside of the allowed packages, not importable, or not there.
    """
    module_name, colon, qualname = target.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), *qualname.split("."))):
        raise ConfigurationError(f"{key}={target!r}: give 'module:qualname'")
    if not any(module_name == package or module_name.startswith(f"{package}.") for package in packages):
        raise ConfigurationError(
            f"{key}={target!r}: module {module_name!r} is in none of the allowed packages ({', '.join(packages)}); "
            "add its package to python_packages if you trust it"
        )
    try:
        value: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigurationError(f"{key}={target!r}: module {module_name!r} cannot be imported: {error}") from None
    except Exception as error:
        said = f"importing module {module_name!r} fails with {type(error).__name__}: {error}"
        raise ConfigurationError(f"{key}={target!r}: {said}") from error
    for part in qualname.split("."):
        if not hasattr(value, part):
            raise ConfigurationError(f"{key}={target!r}: {module_name!r} has no {qualname!r}{near(part, dir(value))}")
        value = getattr(value, part)
    return value
