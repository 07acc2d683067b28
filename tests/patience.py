"""How long the tests wait for what takes a while: longer where everything is slower, never for ever."""

import os

VARIABLE = "TEST_PATIENCE"
"""The environment variable with a factor, for instance of a sanitizer; unset means 1."""


def patience(seconds):
    """A time limit in seconds that was chosen for an idle machine and a core without a sanitizer, for what is here now.

    It grows with the number of processes that share one processor.
    """
    shared_by = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return seconds * float(os.environ.get(VARIABLE, "1")) * max(1.0, shared_by)
