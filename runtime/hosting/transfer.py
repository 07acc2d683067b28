"""The callable of tasks that bring contents home: a gateway executes it itself, and passes it to no host.

Such a task has one tensor, as INOUT, and one scalar: BRING or DROP. The scheduler orders it like every other task:
after the task that wrote the tensor, and before those that use it here.
"""

from __future__ import annotations

from typing import NoReturn

TARGET = "runtime.hosting.transfer:transfer"
"""The name by which it is registered, as a callable that is identified by its source."""

BRING, DROP = 1, 0

RETRIES = 1 << 20
"""How often such a task may begin again: it changes nothing that it could not do twice."""

LARGE = 1 << 16
"""Bytes from which a content travels by itself, and may stay on its host.

An engine takes longer for one more value than for fewer bytes.
"""


def transfer(*_: object) -> NoReturn:
    """Raises: no process but a gateway may execute it."""
    raise RuntimeError("a transfer is executed by the gateway of a node on another machine, and by no other process")
