"""Builds of native/ by its CMake presets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.alone import alone

NATIVE = Path(__file__).resolve().parent.parent.parent / "native"


def program(name: str) -> str:
    """The path of a program: on the search path, or beside this interpreter."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed"
    return found


def with_ninja() -> tuple[str, ...]:
    """The options of CMake for a build by Ninja, which may be beside this interpreter only."""
    return "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={program('ninja')}"


def run(*command: str) -> None:
    """Runs a program in native/, without the variable that selects the tests' core. A failure shows its output."""
    environment = {**os.environ, "CALLRING_CORE_DIR": ""}
    done = subprocess.run(
        [program(command[0]), *command[1:]], cwd=NATIVE, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]


def build(preset: str, *options: str) -> Path:
    """Configures and builds a preset, with further options of the build. Returns its folder."""
    folder = NATIVE.parent / "build" / "native" / preset
    with alone(folder):
        run("cmake", "--preset", preset, *with_ninja())
        run("cmake", "--build", "--preset", preset, *options)
    return folder
