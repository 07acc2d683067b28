"""Where a result comes from: versions, compiler, commit, machine and time."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parent.parent.parent
_PACKAGES = ("callring", "numpy", "hydra-core", "omegaconf", "cloudpickle", "pybind11")


def provenance() -> dict[str, Any]:
    """The ``provenance`` of result.json. What cannot be found out is null, never guessed."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **_of_this_process(),
    }


@functools.cache
def _of_this_process() -> dict[str, Any]:
    """What does not change while a process lasts: a sweep asks once, not at every point."""
    return {
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in _PACKAGES},
        "compiler": _compiler(),
        "git": _git(),
        "machine": {
            "cpu": _cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "architecture": platform.machine(),
            "kernel": platform.release(),
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _compiler() -> str | None:
    """The first line of what g++, which builds the core and the kernels, says of itself."""
    words = _output("g++", "--version")
    return words.splitlines()[0] if words else None


def _git() -> dict[str, Any] | None:
    """Commit of the checkout that this file lies in, and whether tracked files differ from it; None outside of one."""
    if not (_PROJECT / ".git").exists():
        return None
    commit = _output("git", "--no-optional-locks", "-C", str(_PROJECT), "rev-parse", "HEAD")
    changes = _output(
        "git", "--no-optional-locks", "-C", str(_PROJECT), "status", "--porcelain", "--untracked-files=no"
    )
    return None if commit is None or changes is None else {"commit": commit, "modified": bool(changes)}


def _output(*command: str) -> str | None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout.strip()


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
