"""Under ``python -m tests.sanitized``, a test fails if a sanitizer of any process writes a report during the test."""

import os
from pathlib import Path

import pytest

REPORTS = "SANITIZER_REPORTS"
"""The environment variable that names the folder of the reports."""
SANITIZER = "SANITIZER"
"""The environment variable with the name of the sanitizer."""


def lengths():
    """The length of every report: a process appends to its own report."""
    return {file: file.stat().st_size for file in sorted(Path(os.environ[REPORTS]).iterdir())}


def pytest_collection_modifyitems(items):
    for item in items:
        for marker in item.iter_markers("not_sanitized"):
            reason, *sanitizers = marker.args
            if os.environ[SANITIZER] in (sanitizers or [os.environ[SANITIZER]]):
                item.add_marker(pytest.mark.skip(reason=f"not under this sanitizer: {reason}"))


@pytest.fixture(autouse=True)
def no_sanitizer_reports_anything():
    before = lengths()
    yield
    for file, length in lengths().items():
        said = file.read_bytes()[before.get(file, 0) : length].decode(errors="replace")
        assert said == "", f"{file.name}:\n{said}"
