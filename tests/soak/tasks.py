"""What the soak's sub-workers execute; a module of its own, so that they import nothing else."""

import os
import signal
import time


def bump(args):
    """Adds one to its cell."""
    args[0][0] += 1


def numbered(number):
    """One of the callables that come and go."""
    return lambda args: number


def echo(value):
    """What most of a million calls do."""
    return value


def fail(value):
    """Raises."""
    raise LookupError(value)


def overstay():
    """Takes longer than any deadline of the soak."""
    time.sleep(600)


def die():
    """Takes its process with it."""
    os.kill(os.getpid(), signal.SIGKILL)
