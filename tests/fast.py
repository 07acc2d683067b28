"""``pytest -m fast``: within a minute, whether what was changed still does what it should, in most of its parts.

What belongs to it is a matter of the folder or file. The others are not even imported, and properties are tried with a
fifth of the examples.
"""

import re
from pathlib import Path

import pytest
from hypothesis import settings

FAST = (
    "tests/baseline",
    "tests/contract/test_chaos.py",
    "tests/contract/test_frames.py",
    "tests/contract/test_graphs.py",
    "tests/contract/test_groups.py",
    "tests/contract/test_handle_checks.py",
    "tests/contract/test_signature_calls.py",
    "tests/contract/test_tasks.py",
    "tests/pipeline/test_composition.py",
    "tests/pipeline/test_lock_file.py",
    "tests/pipeline/test_store.py",
    "tests/report",
    "tests/unit",
    "tests/workloads",
)
"""Folders and files below the repository."""
SLOW = re.compile(r"_in_a_browser\.py$|/test_(accessibility|large_page)\.py$")
"""Of those: files that drive a browser, which takes seconds for each page, or draw pages of 100,000 tasks."""
EXAMPLES = 20
_ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config):
    """Declares the mark, and how many examples of a property are tried if it is asked for."""
    config.addinivalue_line("markers", "fast: of a file or folder that tests/fast.py names")
    if config.option.markexpr == "fast":
        settings.register_profile("fast", settings(), max_examples=EXAMPLES)
        settings.load_profile("fast")


def pytest_ignore_collect(collection_path, config):
    """Leaves the others out before they are imported, if nothing else is asked for."""
    if config.option.markexpr != "fast" or not collection_path.is_relative_to(_ROOT / "tests"):
        return None
    place = collection_path.relative_to(_ROOT).as_posix()
    return None if is_fast(place) or any(fast.startswith(f"{place}/") for fast in FAST) or place == "tests" else True


def pytest_collection_modifyitems(items):
    """Marks the tests."""
    for item in items:
        if item.path.is_relative_to(_ROOT) and is_fast(item.path.relative_to(_ROOT).as_posix()):
            item.add_marker(pytest.mark.fast)


def is_fast(place):
    """Whether a file or folder, relative to the repository, is one of these or in one of them."""
    return not SLOW.search(place) and any(place == fast or place.startswith(f"{fast}/") for fast in FAST)
