"""A test run ends with a list of the tests that did not run, and why."""

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


def last_lines(tmp_path, tests):
    """The last lines of a run of these tests."""
    (tmp_path / "test_some.py").write_text(tests)
    plugins = ("-p", "tests.did_not_run", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *plugins, "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()[-2:]


def test_the_last_lines_of_a_run_name_the_tests_that_did_not_run_and_why(tmp_path):
    assert last_lines(tmp_path, TESTS) == [
        "did not run: 3 tests of test_some.py: needs a browser",
        "did not run: test_some.py: needs a compiler",
    ]


def test_a_run_in_which_every_test_ran_says_nothing_more(tmp_path):
    assert "1 passed" in last_lines(tmp_path, "def test_that_runs():\n    pass\n")[-1]
