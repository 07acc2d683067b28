"""What the soak's sub-workers execute; a module of its own, so that they import nothing else."""

import os
import signal


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


def die():
    """Takes its process with it."""
    os.kill(os.getpid(), signal.SIGKILL)
