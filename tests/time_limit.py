"""A time limit on every test: a test that hangs fails with the stacks of all its threads, and the other tests run.

The limit holds for each of setup, call and teardown. It detects hangs and does not measure speed: it is many times the
duration of a test on an idle machine, and grows with the load (tests/patience.py), also during the test.

pytest-timeout is not used: its limit is fixed when a test begins, and for a main thread that hangs in native code it
either does not work or ends the whole run. Here a signal interrupts the main thread. Only if the thread does not handle
the signal, the run ends, after the limit has passed once more.
"""

import contextlib
import faulthandler
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.patience import patience

LIMIT = 100
"""The limit of most tests in seconds, on an idle machine."""
LONGER = {
    "tests/contract/test_layout_version.py": 1200,
    "tests/docs": 1200,
    "tests/fresh": 3600,
    "tests/native": 3600,
}
"""Other limits in seconds, by folder or file: for tests that build the core, or run the commands of a page."""
_ROOT = Path(__file__).resolve().parents[1]
_STDERR = pytest.StashKey[int]()


def pytest_configure(config):
    """Keeps the uncaptured standard error, for the message if the run has to be ended."""
    config.addinivalue_line("markers", "time_limit(seconds): of this test, on an idle machine; see tests/time_limit.py")
    config.stash[_STDERR] = os.dup(sys.__stderr__.fileno())


def pytest_unconfigure(config):
    """Closes that descriptor."""
    os.close(config.stash[_STDERR])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """Limits the fixtures that a test needs."""
    with limited(limit_of(item), item.config.stash[_STDERR]):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Limits the test itself."""
    with limited(limit_of(item), item.config.stash[_STDERR]):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """Limits the teardown of the test's fixtures."""
    with limited(limit_of(item), item.config.stash[_STDERR]):
        return (yield)


def limit_of(item):
    """The seconds that a test may take on an idle machine."""
    mark = item.get_closest_marker("time_limit")
    if mark is not None:
        return mark.args[0]
    if not item.path.is_relative_to(_ROOT):
        return LIMIT
    place = item.path.relative_to(_ROOT)
    return next((LONGER[str(at)] for at in (place, *place.parents) if str(at) in LONGER), LIMIT)


@contextlib.contextmanager
def limited(seconds, stderr):
    """Interrupts the main thread if the block takes longer than ``seconds``, adapted to the current load."""
    begun = time.monotonic()

    def overdue(_signal, _frame):
        left = begun + patience(seconds) - time.monotonic()
        if left > 0:
            _arm(left, stderr)
            return
        faulthandler.dump_traceback(all_threads=True)
        pytest.fail(f"took longer than its time limit: {seconds} s on an idle machine, see tests/time_limit.py")

    before = signal.signal(signal.SIGALRM, overdue)
    _arm(patience(seconds), stderr)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def _arm(seconds, stderr):
    signal.setitimer(signal.ITIMER_REAL, seconds)
    # The dump comes from a thread that does not need the interpreter's lock, in case the main thread handles no signal.
    faulthandler.dump_traceback_later(2 * seconds, exit=True, file=stderr)
