"""An Executor over a shared Worker, and a check after every test that no process of Callring is left."""

import pytest

from runtime import Executor, Worker
from tests.contract.conftest import nothing_is_left  # noqa: F401 - an autouse fixture


@pytest.fixture
def worker():
    """A new Worker for each test: some tests kill its processes, or count its tasks."""
    with Worker(sub_workers=2) as shared:
        yield shared


@pytest.fixture
def executor(worker):
    with Executor(worker) as over:
        yield over
