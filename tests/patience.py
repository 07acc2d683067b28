"""How long the tests wait for what takes a while: longer where a sanitizer makes everything slower, never for ever."""

import os

VARIABLE = "TEST_PATIENCE"
"""The environment variable with the factor; unset means 1."""


def patience(seconds):
    """A time limit in seconds that was chosen for a core without a sanitizer, for the core at hand."""
    return seconds * float(os.environ.get(VARIABLE, "1"))
