"""The actor of a hosted node: it starts the far side as a process of its own, and passes calls on.

The far side is not in Ray's process: Ray's library there has threads and signal handlers, and leaves too little static
thread storage for the libraries of the core. So this module must not import the core.
"""

from __future__ import annotations

from typing import Any

from runtime.hosting.far_process import FarProcess


class Actor:
    """One host on its machine.

    Args:
        far_side: ``"module:class"`` of the far side.
    """

    def __init__(self, far_side: str) -> None:
        self._far = FarProcess(far_side)

    def call(self, method: str, head: bytes, *contents: Any) -> Any:
        """One call of a method of the far side. The values of ``run`` become objects of this machine."""
        control = method == "clock"
        values = self._far.call(method, head, contents, control=control).result()
        return values if len(values) > 1 else values[0]
