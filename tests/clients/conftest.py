"""Tests of other packages that use runtime.Executor. A test is skipped if the package that it uses is not installed.

``tox -e clients`` installs them all. Warnings of these packages fail no test.
"""

import pytest

from runtime import Executor


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/clients/" in item.nodeid or item.nodeid.startswith("clients/"):
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="package")
def executor():
    with Executor(2) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_was_lost(executor):
    yield
    assert executor.worker.stats().lost == 0
