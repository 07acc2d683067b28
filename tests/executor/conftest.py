"""An Executor over a shared Worker, and after every test no process of ours."""

import pytest

from runtime import Executor, Worker
from tests.contract.conftest import nothing_is_left  # noqa: F401 - an autouse fixture


@pytest.fixture
def worker():
    """Fresh for each test: some kill its processes, or count what it did."""
    with Worker(sub_workers=2) as shared:
        yield shared


@pytest.fixture
def executor(worker):
    with Executor(worker) as over:
        yield over
