"""The three sanitizers: how the core is compiled for each, and the environment of a process that loads it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.building.core import preload

_SUPPRESSIONS = Path(__file__).resolve().parent / "suppressions"

_EVERYWHERE = {
    # Tests crash kernels and processes on purpose, and check the signal that ended them.
    **dict.fromkeys(("handle_segv", "handle_sigbus", "handle_abort", "handle_sigfpe", "handle_sigill"), 0),
    "log_exe_name": 1,
}


@dataclass(frozen=True)
class Sanitizer:
    """One sanitizer."""

    flag: str
    """The value of ``-fsanitize=``."""
    variable: str
    """The environment variable with its options."""
    options: dict[str, int]
    definitions: str = ""
    """Further flags of the compiler."""
    environment: dict[str, str] = field(default_factory=dict)

    def environment_for(self, core: Path, reports: Path, tools: Path) -> dict[str, str]:
        """The environment of a process with this core.

        Args:
            reports: a folder for the sanitizer's reports, one file for each process.
            tools: a folder for wrappers of the compiler and similar programs.
        """
        without_runtime(tools)
        options = {
            **_EVERYWHERE,
            **self.options,
            # Standard error may be a pipe without a reader.
            "log_path": reports / "report",
        }
        suppressions = _SUPPRESSIONS / f"{self.flag}.txt"
        if suppressions.exists():
            options["suppressions"] = suppressions
        return {
            **os.environ,
            **self.environment,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "CALLRING_CORE_DIR": str(core),
            "LD_PRELOAD": preload(self.flag),
            self.variable: ":".join(f"{name}={value}" for name, value in options.items()),
        }


SANITIZERS = {
    sanitizer.flag: sanitizer
    for sanitizer in (
        Sanitizer(
            "address",
            "ASAN_OPTIONS",
            # CPython keeps memory until its end. The C++ tests check for leaks.
            {"detect_leaks": 0, "strict_string_checks": 1, "check_initialization_order": 1},
            # CPython's own memory pools would hide the use of a freed object.
            environment={"PYTHONMALLOC": "malloc"},
        ),
        # Breaking a rule of the standard library is undefined behaviour, too.
        Sanitizer("undefined", "UBSAN_OPTIONS", {"print_stacktrace": 1}, definitions="-D_GLIBCXX_ASSERTIONS"),
        Sanitizer(
            "thread",
            "TSAN_OPTIONS",
            {
                # The longest history of accesses: with a shorter one, a report may lack one of its two stacks.
                "history_size": 7,
                # The C++ tests look for deadlocks. Here DuckDB, which a test loads, holds more locks in a fork than the
                # detector can count.
                "detect_deadlocks": 0,
                # A child that ends while its task still runs joins no thread: the process just exits.
                "report_thread_leaks": 0,
            },
        ),
    )
}


def without_runtime(folder: Path) -> None:
    """Writes wrappers into ``folder`` that run the compiler and similar programs without the sanitizer's runtime.

    They do so without ``folder`` in PATH: ccache, which may be what ``g++`` is, looks there for the compiler behind it.
    """
    path = os.environ["PATH"]
    for name in ("g++", "gcc", "cmake", "ninja"):
        program = shutil.which(name)
        if program is not None:
            script = folder / name
            script.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nPATH="{path}" exec "{program}" "$@"\n')
            script.chmod(0o755)
