"""What all tests begin with, and how a run of them ends."""

import signal

from tests.did_not_run import pytest_unconfigure

__all__ = ["pytest_unconfigure"]

# A shell without job control starts what runs in the background with interrupts ignored, and so would be every program
# that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
