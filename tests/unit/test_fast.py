"""The folder or file decides whether a test is fast."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fast import FAST, is_fast, pytest_ignore_collect

ROOT = Path(__file__).resolve().parents[2]


def test_every_folder_and_file_of_the_fast_tests_exists():
    assert [place for place in FAST if not (ROOT / place).exists()] == []


@pytest.mark.parametrize(
    ("place", "fast"),
    [
        ("tests/unit", True),
        ("tests/unit/test_handle.py", True),
        ("tests/unity.py", False),
        ("tests/contract", False),
        ("tests/contract/test_tasks.py", True),
        ("tests/contract/test_liars.py", False),
        ("tests/report/test_page.py", True),
        ("tests/report/test_page_in_a_browser.py", False),
        ("tests/report/test_large_page.py", False),
    ],
)
def test_a_file_is_fast_if_it_or_its_folder_is_named(place, fast):
    assert is_fast(place) == fast


@pytest.mark.parametrize(
    ("marks", "place", "ignored"),
    [
        ("fast", "tests", None),
        ("fast", "tests/contract", None),
        ("fast", "tests/contract/test_tasks.py", None),
        ("fast", "tests/contract/test_liars.py", True),
        ("fast", "tests/native", True),
        ("", "tests/native", None),
    ],
)
def test_slow_files_are_not_imported_if_only_fast_tests_are_selected(marks, place, ignored):
    config = SimpleNamespace(option=SimpleNamespace(markexpr=marks))
    assert pytest_ignore_collect(ROOT / place, config) is ignored
