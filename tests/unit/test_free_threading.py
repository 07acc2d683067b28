"""A free-threaded Python is refused with a message: when the core is built, and when it is imported."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pybind11
import pytest

from tests.native.presets import program, with_ninja

ROOT = Path(__file__).resolve().parents[2]
SAYS = "needs Python's global interpreter lock"
USE = f"use the ordinary build of this Python, python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def free_threaded(tmp_path, monkeypatch):
    """An interpreter that reports a build without the lock."""
    folder = tmp_path / "free"
    venv.create(folder, symlinks=True)
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys\nsys.abiflags = 't'\n")
    # Comes before the standard library, in which Debian has its own sitecustomize.
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    return folder / "bin" / "python"


def test_a_free_threaded_python_cannot_import_the_core(free_threaded):
    done = subprocess.run(
        [free_threaded, "-c", "from runtime import Worker"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert SAYS in done.stderr
    assert USE in done.stderr


def test_the_core_cannot_be_built_for_a_free_threaded_python(free_threaded, tmp_path):
    options = [f"-DPython_EXECUTABLE={free_threaded}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"]
    done = subprocess.run(
        [
            program("cmake"),
            *with_ninja(),
            "-S",
            ROOT / "native",
            "-B",
            tmp_path / "build",
            "-DCALLRING_PYTHON=ON",
            *options,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert SAYS in said
    assert USE in said
