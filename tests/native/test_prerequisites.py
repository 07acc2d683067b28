"""A missing prerequisite is named with its package, before CMake fails for it."""

import subprocess
import sys

import pytest

from tests.native.presets import NATIVE, program, with_ninja


def configure(folder, *options, path=None, **environment):
    """The error message of CMake, which must be the only one and come from prerequisites.cmake."""
    command = [program("cmake"), "-S", str(NATIVE), "-B", str(folder / "build"), *options]
    environment["PATH"] = str(path or folder)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0, done.stdout
    assert done.stderr.startswith("CMake Error at prerequisites.cmake"), done.stderr
    assert done.stderr.count("CMake Error") == 1, done.stderr
    return " ".join(done.stderr.split())


@pytest.fixture
def compiler():
    return f"-DCMAKE_CXX_COMPILER={program('g++')}"


# As CMake searches by itself, and as scikit-build-core configures it.
@pytest.mark.parametrize("named", [{}, {"CXX": "x86_64-linux-gnu-g++ -pthread"}])
def test_the_error_without_a_compiler_names_its_package(tmp_path, named):
    said = configure(tmp_path, "-G", "Unix Makefiles", **named)
    assert "There is no C++ compiler (looked for " in said
    for line in ("apt-get install g++", "dnf install gcc-c++", "brew install gcc"):
        assert line in said


def test_the_error_without_ninja_names_its_package(tmp_path, compiler):
    said = configure(tmp_path, "-G", "Ninja", compiler)
    assert "Ninja is not installed" in said
    assert "apt-get install ninja-build" in said


def test_the_error_without_the_headers_of_python_names_their_package(tmp_path, compiler):
    # The results of CMake for a Python without headers: everything but the component.
    facts = [f"-DPython_{name}" for name in ("VERSION=3.14.2", "VERSION_MAJOR=3", "VERSION_MINOR=14")]
    said = configure(
        tmp_path,
        *(*with_ninja(), compiler, "-DCALLRING_PYTHON=ON"),
        *("-DPython_EXECUTABLE=/usr/bin/python3", "-DCMAKE_DISABLE_FIND_PACKAGE_Python=ON", *facts),
        path="/usr/bin:/bin",
    )
    assert "The headers of Python 3.14.2 (/usr/bin/python3) are not installed" in said
    for line in ("apt-get install python3-dev, or python3.14-dev", "dnf install python3-devel", "python@3.14"):
        assert line in said


def test_the_error_without_pybind11_names_its_package(tmp_path, compiler):
    said = configure(
        tmp_path,
        *(*with_ninja(), compiler, "-DCALLRING_PYTHON=ON"),
        *(f"-DPython_EXECUTABLE={sys.executable}", "-DCMAKE_DISABLE_FIND_PACKAGE_pybind11=ON"),
        path="/usr/bin:/bin",
    )
    assert "pip install 'pybind11>=3.1'" in said


def test_the_error_without_doctest_names_its_package(tmp_path, compiler):
    said = configure(
        tmp_path,
        *(*with_ninja(), compiler, "-DCALLRING_TESTS=ON"),
        "-DCMAKE_DISABLE_FIND_PACKAGE_doctest=ON",
        path="/usr/bin:/bin",
    )
    assert "apt-get install doctest-dev" in said
