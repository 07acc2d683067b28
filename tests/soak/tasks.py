"""The functions of the soak's sub-workers: a separate module, so that they import nothing else."""

import os
import signal
import time


def bump(args):
    """Adds one to its cell."""
    args[0][0] += 1


def numbered(number):
    """One of the callables that are registered and released."""
    return lambda args: number


def echo(value):
    """The function of most calls."""
    return value


def fail(value):
    """Raises."""
    raise LookupError(value)


def overstay():
    """Takes longer than any deadline of the soak."""
    time.sleep(600)


def die():
    """Kills its own process."""
    os.kill(os.getpid(), signal.SIGKILL)
