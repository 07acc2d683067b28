"""The actor of a hosted node: it starts the far side as a process of its own, and passes calls on.

The far side is not in Ray's process: Ray's library there has threads and signal handlers, and leaves too little static
thread storage for the libraries of the core. So this module must not import the core.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.hosting.door import CONTROL
from runtime.hosting.far_process import FarProcess


class Actor:
    """One host on its machine.

    Args:
        far_side: ``"module:class"`` of the far side.
    """

    def __init__(self, far_side: str) -> None:
        self._far = FarProcess(far_side)

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
    """A value as Ray takes it: it copies arrays once, into its store, before it begins the next call."""
    return np.frombuffer(value, np.uint8) if isinstance(value, memoryview) else value
