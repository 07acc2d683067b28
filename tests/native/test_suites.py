"""The C++ suites: each folder has one, and each of their tests has a time limit."""

import shutil
import subprocess

import pytest

from tests.native.presets import NATIVE, program, with_ninja


def configure(native):
    command = [program("cmake"), "-S", str(native), "-B", str(native / "build"), *with_ninja()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, " ".join(done.stderr.split())


@pytest.fixture
def native(tmp_path):
    return shutil.copytree(NATIVE, tmp_path / "native", ignore=shutil.ignore_patterns("build", "__pycache__"))


def test_a_folder_with_code_and_without_tests_is_refused_by_name(native):
    (native / "extra").mkdir()
    (native / "extra" / "notes.md").touch()  # no code
    (native / "tests" / "graph").rename(native / "tests" / "elsewhere")
    code, said = configure(native)
    assert code != 0
    assert "native/graph has code and no C++ tests. Add native/tests/graph" in said
    assert "native/extra" not in said


def test_a_folder_of_headers_needs_tests_too(native):
    (native / "extra").mkdir()
    (native / "extra" / "extra.h").touch()
    assert "native/extra has code and no C++ tests" in configure(native)[1]
    (native / "tests" / "extra").mkdir()
    (native / "tests" / "extra" / "CMakeLists.txt").touch()  # and no test
    assert "native/extra has code and no C++ tests" in configure(native)[1]


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
