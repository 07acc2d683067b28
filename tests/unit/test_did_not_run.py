"""A run of the tests ends by saying which did not run, and why."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest


@pytest.mark.parametrize("number", range(3))
def test_with_a_browser(number):
    pytest.skip("needs a browser")


@pytest.mark.skipif(True, reason="needs a compiler")
def test_with_a_compiler():
    pass


def test_that_runs():
    pass
"""


def test_the_last_lines_of_a_run_name_what_did_not_run_and_why(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.did_not_run",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        tmp_path,
    ]
    done = subprocess.run([*command, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "did not run: 3 tests of test_some.py: needs a browser",
        "did not run: test_some.py: needs a compiler",
    ]


def test_a_run_in_which_every_test_ran_says_nothing_more(tmp_path):
    (tmp_path / "test_some.py").write_text("def test_that_runs():\n    pass\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.did_not_run",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        tmp_path,
    ]
    done = subprocess.run([*command, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout.splitlines()[-1]
