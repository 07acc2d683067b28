"""How a task uses a tensor: the tags from which dependencies are inferred."""

from enum import IntEnum

from runtime import pickled_names


class Tag(IntEnum):
    """What a task does with the bytes of one tensor argument (docs/explanation/execution.md)."""

    INPUT = 0
    """Reads the bytes; Python callables receive a read-only array."""
    OUTPUT = 1
    """Writes the bytes; their old content does not matter."""
    INOUT = 2
    """Reads and writes the bytes."""
    OUTPUT_EXISTING = 3
    """Writes some of the bytes and keeps the rest."""
    NO_DEP = 4
    """The tensor takes no part in dependencies."""


WRITES = (Tag.OUTPUT, Tag.INOUT, Tag.OUTPUT_EXISTING)
"""The tags of tensors that a task writes."""

pickled_names.keep(__name__)
