"""register: registers every callable of the workload."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pipeline.run.stage_results import Registered, Started
from pipeline.run.stages.registered_target import registered_target

if TYPE_CHECKING:
    from pipeline.terminal.console import Console
    from runtime import CallableHandle


def register(started: Started, console: Console) -> Registered:
    """Registers the callables with the Worker; a callable that takes handles gets those of the callables before it.

    Raises PartialFailureError and the other errors of Worker.register.
    """
    described = started.built.described
    handles: dict[str, CallableHandle] = {}

    def add(name: str, target: object) -> None:
        begin = time.perf_counter()
        handles[name] = started.worker.register(target, name=sys.intern(name))
        console.action("registered", name, hashed=handles[name].hashid, seconds=time.perf_counter() - begin)

    # A callable that no child of this topology could run is only built, for the lock.
    for name, built in started.built.chip_callables.items() if described.tree.total_chips else ():
        add(name, built)
    for spec in described.python_callables:
        add(spec.name, registered_target(spec, handles)[0])
    return Registered(started, handles)
