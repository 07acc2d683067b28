"""Python targets of a config: only from allowed packages, and resolved without Hydra's instantiation."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config.suggest import near
from pipeline.config.trust import OURS
from runtime.errors import ConfigurationError
from runtime.identity import module_file


class Lookup(NamedTuple):
    """The places of files and Python targets that a config names."""

    folders: Sequence[Path]
    """Folders of files, in search order."""
    packages: Sequence[str]
    """Allowed package prefixes of Python targets."""
    importing: bool = True
    """Whether modules of the user are imported; a plan does not import them."""

    def target(self, target: str, key: str) -> Any:
        """The object behind ``"module:qualname"``, or NotImported. Raises ConfigurationError as ``resolve_target``."""
        module = target.partition(":")[0]
        if self.importing or module.partition(".")[0] == OURS:
            return resolve_target(target, key, self.packages)
        _require_allowed(target, key, self.packages)
        try:
            module_file(module)
        except ConfigurationError as error:
            raise ConfigurationError(f"{key}={target!r}: {error.args[0]}") from None
        return NotImported(target)


class NotImported(NamedTuple):
    """Stands in for a user's target, if the user's code is not imported."""

    target: str


def takes_handles(function: object) -> bool:
    """Whether a callable takes the workload's handles, as the keyword ``handles``."""
    if not inspect.isroutine(function):
        return False
    parameter = inspect.signature(function).parameters.get("handles")
    return parameter is not None and parameter.kind is inspect.Parameter.KEYWORD_ONLY


def resolve_target(target: str, key: str, packages: Sequence[str]) -> Any:
    """The object behind ``"module:qualname"``.

    Args:
        target: the value of the config.
        key: the config key, for messages.
        packages: allowed package prefixes.

    Raises:
        ConfigurationError: malformed, outside the allowed packages, not importable, or missing.
    """
    module_name, qualname = _require_allowed(target, key, packages)
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


def _require_allowed(target: str, key: str, packages: Sequence[str]) -> tuple[str, str]:
    """The module and the qualified name, after checking that they are valid and allowed."""
    module_name, colon, qualname = target.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), *qualname.split("."))):
        raise ConfigurationError(f"{key}={target!r}: give 'module:qualname'")
    if not any(module_name == package or module_name.startswith(f"{package}.") for package in packages):
        raise ConfigurationError(
            f"{key}={target!r}: module {module_name!r} is in none of the allowed packages ({', '.join(packages)}); "
            "add its package to python_packages on the command line if you trust it"
        )
    return module_name, qualname
