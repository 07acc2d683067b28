"""The actor of a host: it passes calls on to the far side."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.hosting.door import CONTROL
from runtime.hosting.far_here import FarHere
from runtime.hosting.far_process import FarProcess
from runtime.hosting.transfer import LARGE


class Actor:
    """One host on its machine.

    Args:
        far_side: ``"module:class"`` of the far side.
        apart: whether the far side gets a process of its own.
    """

    def __init__(self, far_side: str, *, apart: bool) -> None:
        self._far = FarProcess(far_side) if apart else FarHere(far_side)

    def call(self, request: bytes, *contents: Any) -> Any:
        """One call of a method of the far side. The values of ``run`` become objects of this machine.

        Args:
            request: the method's name, a space and the pickled tuple of its first arguments; Ray passes one argument
                of bytes on without pickling it.
        """
        name, _, head = request.partition(b" ")
        method = name.decode()
        values = [_kept(value) for value in self._far.call(method, head, contents, control=method in CONTROL)]
        return values if len(values) > 1 else values[0]


def _kept(value: Any) -> Any:
    """A value as Ray takes it: it copies an array of bytes once, into its store, before it begins the next call."""
    return np.frombuffer(value, np.uint8) if getattr(value, "nbytes", 0) >= LARGE else value
