"""Chooses the native core before a module imports it: that in ``CALLRING_CORE_DIR`` if set, else the installed one.

A free-threaded Python is refused: the bindings rely on the global interpreter lock.
"""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

_NAME = "runtime._core"


def _refuse_free_threading() -> None:
    if "t" in sys.abiflags:
        raise ImportError(
            f"Callring needs Python's global interpreter lock, and {sys.executable} is a free-threaded build without "
            f"it: use the ordinary build of this Python, python{sys.version_info.major}.{sys.version_info.minor}"
        )


def _select() -> None:
    folder = os.environ.get("CALLRING_CORE_DIR")
    if not folder or _NAME in sys.modules:
        return
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = Path(folder) / f"_core{suffix}"
        if path.exists():
            spec = importlib.util.spec_from_file_location(_NAME, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[_NAME] = module
            spec.loader.exec_module(module)
            return
    raise ImportError(f"CALLRING_CORE_DIR names a folder without a _core for this Python ({sys.version.split()[0]})")


_refuse_free_threading()
_select()
