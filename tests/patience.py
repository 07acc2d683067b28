"""Time limits of waits in tests: longer on a slow or busy machine, but never endless."""

import os

VARIABLE = "TEST_PATIENCE"
"""The environment variable with a factor, for instance for a sanitizer; unset means 1."""


def patience(seconds):
    """Adapts a time limit in seconds, chosen for an idle machine and a core without a sanitizer, to the current load.

    The limit grows with the number of processes that share one processor.
    """
    shared_by = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return seconds * float(os.environ.get(VARIABLE, "1")) * max(1.0, shared_by)
