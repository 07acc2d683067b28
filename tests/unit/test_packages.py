"""A missing program is named with the packages that contain it."""

import pytest

from pipeline.building import compiler
from pipeline.building.core import find_program
from runtime import toolchain
from runtime.errors import ToolchainMissing
from runtime.packages import not_installed

WORDS = ("apt-get install g++ (Debian, Ubuntu)", "dnf install gcc-c++ (Fedora)", "brew install gcc (Homebrew)")


@pytest.mark.parametrize("ask", [lambda: compiler.compiler_identity(None), toolchain.compiler_identity.__wrapped__])
def test_a_missing_compiler_is_named_with_its_package_everywhere(ask, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainMissing) as caught:
        ask()
    assert [word for word in WORDS if word not in str(caught.value)] == []


@pytest.mark.parametrize("program", ["g++", "gcc", "cmake", "ninja"])
def test_every_program_that_a_build_needs_has_its_packages(program):
    assert find_program(program) is not None
    assert not_installed(program).startswith(f"{program} is not installed: apt-get install ")
