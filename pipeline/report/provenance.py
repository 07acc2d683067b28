"""The provenance of a result: versions, compiler, commit, machine and time."""

from __future__ import annotations

import atexit
import functools
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.building.compiler import compiler_identity
from pipeline.building.store import digest_of
from runtime.errors import ToolchainMissing

if TYPE_CHECKING:
    from pipeline.building.store import Store

_PROJECT = Path(__file__).resolve().parent.parent.parent
_PACKAGES = ("callring", "numpy", "hydra-core", "omegaconf", "cloudpickle", "pybind11")


_load_average: list[float | None] = [None]
"""The load average when ``ask`` was called."""


def ask() -> None:
    """Starts slow queries for ``provenance``, and records values that the run itself will change."""
    _git_process()
    try:
        _load_average[0] = round(os.getloadavg()[0], 2)
    except OSError:
        _load_average[0] = None


def provenance(store: Store) -> dict[str, Any]:
    """The ``provenance`` of result.json. Unknown values are null, never guessed.

    Args:
        store: caches the values of compiler and packages until they change.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": _versions(store),
        "compiler": _compiler(store),
        "git": _git(),
        "machine": {**_machine(), "load_average": _load_average[0]},
    }


@functools.cache
def _machine() -> dict[str, Any]:
    system = os.uname()
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "architecture": system.machine,
        "kernel": system.release,
    }


def _versions(store: Store) -> dict[str, str | None]:
    """Versions of the installed packages, cached: installing or removing one changes its folder."""
    folders = [Path(place) for place in sys.path if place.endswith("-packages") and Path(place).is_dir()]
    name = digest_of("versions", *_PACKAGES, *(f"{folder} {folder.stat().st_mtime_ns}" for folder in folders))
    known = store.read_note(name)
    if known is None:
        known = json.dumps({package: _version(package) for package in _PACKAGES})
        store.write_note(name, known)
    versions: dict[str, str | None] = json.loads(known)
    return versions


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _compiler(store: Store) -> str | None:
    """The version of g++, which builds the core and the kernels."""
    try:
        return compiler_identity(store)
    except ToolchainMissing:
        return None


@functools.cache
def _git() -> dict[str, Any] | None:
    """The commit of this file's checkout, and whether tracked files differ from it; None outside a checkout."""
    process = _git_process()
    if process is None:
        return None
    try:
        words, _ = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    commit, changed = None, False
    for line in words.splitlines():
        if line.startswith("# branch.oid "):
            commit = line.rpartition(" ")[2]
        elif not line.startswith("#"):
            changed = True
    return None if process.returncode or not (commit and commit.isalnum()) else {"commit": commit, "modified": changed}


@functools.cache
def _git_process() -> subprocess.Popen[str] | None:
    if not (_PROJECT / ".git").exists():
        return None
    command = ["git", "--no-optional-locks", "-C", str(_PROJECT), "status", "--porcelain=v2", "--branch"]
    try:
        process = subprocess.Popen(
            [*command, "--untracked-files=no"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return None
    atexit.register(_git)  # ends the query if its answer was never read
    return process


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
