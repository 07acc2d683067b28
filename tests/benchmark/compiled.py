"""Small C and C++ programs that the benchmark measures beside Callring."""

from __future__ import annotations

import subprocess
from pathlib import Path


def compiled(source: Path, target: Path, *flags: str) -> Path:
    """Compiles a program or, with -shared, a library. Raises RuntimeError with the compiler's messages."""
    command = ["g++", "-O2", "-std=c++20", "-Wall", "-o", str(target), str(source), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return target
