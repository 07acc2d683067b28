"""The C++ suites as such: each of their tests has a time limit."""

import shutil
import subprocess

import pytest

from tests.native.presets import NATIVE


def test_a_cpp_test_that_hangs_is_named_and_ends_its_program(tmp_path):
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    hanging = tmp_path / "hanging.cpp"
    hanging.write_text(
        "#include <doctest/doctest.h>\n#include <unistd.h>\n"
        'TEST_CASE("one that passes") {}\nTEST_CASE("one that hangs") { for (;;) { ::pause(); } }\n'
    )
    limit, built = "-DCALLRING_TEST_SECONDS=1", tmp_path / "hanging"
    subprocess.run(
        ["g++", "-std=c++20", limit, NATIVE / "tests" / "doctest_main.cpp", hanging, "-o", built], check=True
    )
    done = subprocess.run([built], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{hanging}:4: a test takes longer than 1 s: one that hangs" in done.stderr
