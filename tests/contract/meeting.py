"""Tasks that wait for each other, or for their test."""

import os
import time

from runtime import Tag, TaskArgs


def meet(args):
    """Waits until every member of the group has begun; args: one flag per member; own index, number of members."""
    flags, (mine, count) = args[0], args.scalars
    flags[mine] += 1
    end = time.monotonic() + 20
    while (flags[:count] < flags[mine]).any():
        assert time.monotonic() < end, f"the other members did not run at the same time: {flags}"
        time.sleep(0.0005)
    return mine, os.getpid()


def members(flags, count):
    return [TaskArgs((flags, Tag.NO_DEP), scalars=[i, count]) for i in range(count)]


def hold_until_open(args):
    """Waits until the gate is open; args: the gate."""
    end = time.monotonic() + 20
    while args[0][0] == 0:
        assert time.monotonic() < end
        time.sleep(0.001)
