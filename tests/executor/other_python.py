"""Another interpreter for CPython's executor tests, if the current one was packaged without them.

It gets its own environment and a core that is built for it, both in ``build/`` of the checkout.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.building.core import build_commands
from tests.alone import alone

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = [f"3.{minor}" for minor in range(11, 16)]
PACKAGES = ["numpy", "cloudpickle", "pytest"]
"""The packages that the Executor and its tests import; the core is built with the tools of the current interpreter."""

_CAN = """
import ensurepip, importlib.util, os, sys, sysconfig
has_tests = importlib.util.find_spec("test.test_concurrent_futures") is not None
has_headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
sys.exit(not (has_tests and has_headers and "t" not in sys.abiflags))
"""


class CannotBeHad(Exception):
    """There is no such interpreter, or pip cannot download its packages."""


def find():
    """The newest interpreter on the path or in pyenv that has CPython's tests, its headers and pip.

    Raises CannotBeHad if there is none.
    """
    for version in reversed(VERSIONS):
        name = f"python{version}"
        of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}"), reverse=True)
        for path in filter(None, [shutil.which(name), *map(str, of_pyenv)]):
            if subprocess.run([path, "-c", _CAN], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return path
    raise CannotBeHad(
        "no Python of this machine has the package test.test_concurrent_futures, its headers and pip "
        f"(on Debian: libpython{_own_version()}-testsuite brings the package, python3-dev and python3-venv the others)"
    )


def prepare(python):
    """The Python of an environment made with this interpreter, and the variables with which it imports ``runtime``.

    Raises CannotBeHad if pip cannot download. Fails the test if the core cannot be built.
    """
    version = subprocess.run([python, "-VV"], capture_output=True, text=True, check=True).stdout.split()[1]
    folder = ROOT / "build" / "cpython-tests" / version
    with alone(folder):
        inside = _environment(python, folder)
        for command in build_commands(folder / "core", folder, f"-DPython_EXECUTABLE={inside}"):
            built = subprocess.run(command, capture_output=True, text=True, check=False)
            assert built.returncode == 0, built.stdout + built.stderr
    return inside, {"CALLRING_CORE_DIR": str(folder / "runtime"), "PYTHONPATH": str(ROOT)}


def _environment(python, folder):
    inside = folder / "venv" / "bin" / "python"
    made = folder / "made"
    if not made.exists():
        subprocess.run([python, "-m", "venv", "--clear", folder / "venv"], check=True)
        command = [inside, "-m", "pip", "install", "-q", "--only-binary", ":all:", *PACKAGES]
        pip = subprocess.run(command, capture_output=True, text=True, check=False)
        if pip.returncode:
            last = (pip.stderr.strip().splitlines() or [""])[-1]
            raise CannotBeHad(f"pip of {python} cannot install {', '.join(PACKAGES)}: {last}")
        made.touch()
    return inside


def _own_version():
    return f"{sys.version_info.major}.{sys.version_info.minor}"
