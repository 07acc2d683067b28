"""``pytest -m fast``: checks most parts of the project within a minute.

The folder or file decides whether a test is fast. Other test files are not even imported, and property tests try a
fifth of the examples.
"""

import re
from pathlib import Path

import pytest
from hypothesis import settings

FAST = (
    "tests/baseline",
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
"""The folders and files of fast tests, relative to the repository."""
SLOW = re.compile(r"_in_a_browser\.py$|/test_(accessibility|large_page)\.py$")
"""Files in these folders that are slow: they drive a browser, which takes seconds for each page, or draw pages of
100,000 tasks."""
EXAMPLES = 20
_ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config):
    """Declares the mark, and reduces the examples of property tests if only fast tests are selected."""
    config.addinivalue_line("markers", "fast: of a file or folder that tests/fast.py names")
    if config.option.markexpr == "fast":
        settings.register_profile("fast", settings(), max_examples=EXAMPLES)
        settings.load_profile("fast")


def pytest_ignore_collect(collection_path, config):
    """Ignores other files before they are imported, if only fast tests are selected."""
    if config.option.markexpr != "fast" or not collection_path.is_relative_to(_ROOT / "tests"):
        return None
    place = collection_path.relative_to(_ROOT).as_posix()
    return None if is_fast(place) or any(fast.startswith(f"{place}/") for fast in FAST) or place == "tests" else True


def pytest_collection_modifyitems(items):
    """Marks the fast tests."""
    for item in items:
        if item.path.is_relative_to(_ROOT) and is_fast(item.path.relative_to(_ROOT).as_posix()):
            item.add_marker(pytest.mark.fast)


def is_fast(place):
    """Whether a file or folder, relative to the repository, has fast tests."""
    return not SLOW.search(place) and any(place == fast or place.startswith(f"{fast}/") for fast in FAST)
