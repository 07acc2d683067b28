"""CPython's executor tests pass against runtime.Executor, but for a documented list."""

import unittest
from pathlib import Path

import pytest

from tests.executor import cpython

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "executor.md"

pytestmark = pytest.mark.skipif(cpython.MISSING is not None, reason=str(cpython.MISSING))


def theirs():
    if cpython.MISSING is not None:
        return [pytest.param(None, None, id="none")]
    return [
        pytest.param(case, name, id=f"{title}-{name}")
        for title, case in cpython.test_cases().items()
        for name in unittest.defaultTestLoader.getTestCaseNames(case)
        if name not in cpython.EXCLUDED
    ]


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
    page = PAGE.read_text()
    assert not [name for name in cpython.EXCLUDED if name not in cpython.known_tests() or f"`{name}`" not in page]
