"""CPython's executor tests pass with runtime.Executor, except for a documented list.

If the current interpreter was packaged without them, they run on another interpreter of this machine that has them.
"""

import os
import subprocess
import unittest
from pathlib import Path

import pytest

from tests.executor import cpython, other_python

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "executor.md"


def theirs():
    return [
        pytest.param(case, name, id=f"{title}-{name}")
        for title, case in cpython.test_cases().items()
        for name in unittest.defaultTestLoader.getTestCaseNames(case)
        if name not in cpython.EXCLUDED
    ]


if cpython.MISSING is None:

    @pytest.mark.parametrize(("case", "name"), theirs())
    def test_of_cpython(case, name, monkeypatch):
        cpython.point_at_ours(monkeypatch)
        result = unittest.TestResult()
        case(name).run(result)
        told = [text for _, text in [*result.failures, *result.errors]]
        assert not told, "\n".join(told)
        for _, reason in result.skipped:
            pytest.skip(reason)
        assert result.testsRun == 1

    def test_every_excluded_test_exists_and_is_documented():
        page, known = PAGE.read_text(), cpython.known_tests() | set(cpython.NEWER)
        assert not [name for name in cpython.EXCLUDED if name not in known or f"`{name}`" not in page]

else:

    @pytest.mark.not_sanitized("another interpreter has a core of its own")
    @pytest.mark.time_limit(1200)  # it builds that core
    def test_cpythons_tests_pass_on_an_interpreter_that_has_them():
        try:
            python, variables = other_python.prepare(other_python.find())
        except other_python.CannotBeHad as reason:
            pytest.skip(f"{cpython.MISSING}; {reason}")
        # The conftest is for tests that import more than the Executor needs.
        options = ["-q", "--noconftest", "-p", "no:cacheprovider"]
        command = [python, "-m", "pytest", *options, "tests/executor/test_cpython.py"]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "passed" in done.stdout
