"""A time limit on every test: one that hangs fails with the stacks of all its threads, and the others run.

The limit holds for each of setup, call and teardown. It is for a hang, not for speed: many times what a test takes on
an idle machine, and it grows with the load (tests/patience.py), also with one that comes after the test has begun.

pytest-timeout is not used: its limit is fixed when a test begins, and a main thread that is held up in native code
either is not interrupted at all or takes the whole run with it. Here a signal interrupts the main thread; only one that
takes no signal ends the run, after the limit has passed once more.
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
"""Seconds of most tests, on an idle machine."""
LONGER = {
    "tests/contract/test_layout_version.py": 1200,
    "tests/docs": 1200,
    "tests/fresh": 3600,
    "tests/native": 3600,
}
"""Seconds, by folder or file: what builds the core, or runs a page of commands."""
_ROOT = Path(__file__).resolve().parents[1]
_STDERR = pytest.StashKey[int]()


def pytest_configure(config):
    """Keeps the standard error that is not captured, for a run that has to be ended."""
    config.addinivalue_line("markers", "time_limit(seconds): of this test, on an idle machine; see tests/time_limit.py")
    config.stash[_STDERR] = os.dup(sys.__stderr__.fileno())


def pytest_unconfigure(config):
    """Closes it."""
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
    """Limits the end of what it needed."""
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
    """Interrupts the main thread if the block takes longer than ``seconds`` under the load that is then."""
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
    # By a thread that needs no lock of the interpreter: for a main thread that takes no signal.
    faulthandler.dump_traceback_later(2 * seconds, exit=True, file=stderr)
