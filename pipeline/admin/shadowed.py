"""Finds files that shadow Callring's own packages: ``python -m`` searches the current folder first.

This module imports only the standard library, because a package of Callring may be the shadowed one.
"""

from __future__ import annotations

import importlib.util
import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_RUNTIME = "runtime"
_PLUGINS = "hydra_plugins"
_ELSEWHERE = "or start from another folder; the command callring does not look for modules in the current one"


def shadowed() -> str | None:
    """Which file shadows which package, and what to do; None if nothing is shadowed."""
    ours = Path(__file__).resolve().parents[1]
    spec = importlib.util.find_spec(_RUNTIME)
    own = ours.parent / _RUNTIME
    found = [] if spec is None else [*(spec.submodule_search_locations or ()), spec.origin]
    places = [Path(place).resolve() for place in found if place]
    if not any(place in (own, own / "__init__.py") for place in places):
        there = next((place for place in places if place.exists()), None)
        if there is None:
            return f"Callring's package {_RUNTIME} is not there: {own}; install it again"
        return f"{there} shadows Callring's package {own}: rename it, {_ELSEWHERE}"
    plugins = importlib.util.find_spec(_PLUGINS)
    if plugins is not None and plugins.submodule_search_locations is None:
        return f"{plugins.origin} shadows {_PLUGINS}, where Hydra looks for plugins: rename it, {_ELSEWHERE}"
    if _has_core(own):
        return None
    from importlib.metadata import PackageNotFoundError, distribution  # imported here: it imports the package email

    try:
        installed = Path(str(distribution("callring").locate_file(ours.name))).resolve()
    except PackageNotFoundError:
        installed = ours
    if installed != ours and installed.is_dir():
        return (
            f"{ours} shadows the installed {installed}, and its native core is not built: "
            f"pip install -e {ours.parent}, {_ELSEWHERE}"
        )
    return f"the native core of {ours.parent} is not built: pip install -e {ours.parent}"


def _has_core(runtime: Path) -> bool:
    if "CALLRING_CORE_DIR" in os.environ or any((runtime / f"_core{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
        return True
    return importlib.util.find_spec("runtime._core") is not None
