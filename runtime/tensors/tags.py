"""How a task uses a tensor: the tags from which dependencies are inferred."""

from enum import IntEnum

from runtime import pickled_names


class Tag(IntEnum):
    """What a task does with the bytes of one tensor argument (execution: dependencies)."""

    INPUT = 0
    """Reads them; arrives read-only in Python callables."""
    OUTPUT = 1
    """Writes them; their old content does not matter."""
    INOUT = 2
    """Reads and writes them."""
    OUTPUT_EXISTING = 3
    """Writes some of them and keeps the rest."""
    NO_DEP = 4
    """Takes no part in dependencies."""


pickled_names.keep(__name__)
