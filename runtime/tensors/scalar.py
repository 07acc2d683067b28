"""Scalar: a scalar argument that launches of a graph may replace."""

from __future__ import annotations

from runtime import pickled_names


class Scalar:
    """A scalar of a captured graph. ``Recorder.scalar`` makes it, and TaskArgs takes it instead of a number."""

    __slots__ = ("index", "name", "recorded")

    def __init__(self, name: str, index: int, recorded: float) -> None:
        self.name = name
        self.index = index
        self.recorded = recorded

    def __repr__(self) -> str:
        """Names the scalar and the value with which it was recorded."""
        return f"<Scalar {self.name}={self.recorded}>"


pickled_names.keep(__name__)
