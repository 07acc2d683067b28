"""What the two ends of a hosted node must have in common: compared when a host joins, and named when it differs."""

from __future__ import annotations

import functools
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from runtime import _core

_LEVELS = (
    ("x86-64-v4", ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
    ("x86-64-v3", ("avx2", "bmi1", "bmi2", "fma", "movbe", "f16c")),
    ("x86-64-v2", ("sse4_2", "ssse3", "popcnt")),
)
"""The levels of the x86-64 psABI, and the flags of /proc/cpuinfo that tell them apart."""

Facts = dict[str, str]


@functools.cache
def facts_of_this_process() -> Facts:
    """What a host reports at its start."""
    return {
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "cloudpickle": _version("cloudpickle"),
        "layout version": str(_core.LAYOUT_VERSION),
        "core": _core.source_digest,
        "instruction set": _instruction_set(),
        "libc": " ".join(platform.libc_ver()),
        "host": platform.node(),
        "pid": str(os.getpid()),
    }


def differences(mine: Facts, theirs: Facts) -> list[str]:
    """How a host differs from this process so that it cannot serve, one line for each difference."""
    found = []
    for name in ("Python", "cloudpickle", "layout version", "core", "libc"):
        if mine[name] != theirs.get(name):
            found.append(f"{name} is {_short(theirs.get(name, 'missing'))} there and {_short(mine[name])} here")
    here, there = mine["instruction set"], theirs.get("instruction set", "")
    if not _runs(here, there):
        found.append(
            f"instruction set is {there} there and {here} here: kernels that are compiled here may not run there"
        )
    return found


def _runs(code: str, machine: str) -> bool:
    """Whether code for the instruction set ``code`` runs on ``machine``."""
    names = ["x86-64", *(name for name, _ in reversed(_LEVELS))]
    if code in names and machine in names:
        return names.index(machine) >= names.index(code)
    return code == machine


def _instruction_set() -> str:
    machine = platform.machine()
    if machine != "x86_64":
        return machine
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    return next((name for name, needed in _LEVELS if flags.issuperset(needed)), "x86-64")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _short(value: str) -> str:
    return value[:12] if len(value) == 64 else value
