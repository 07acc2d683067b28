"""register: every callable of the workload, by its hash."""

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
    """Registers with the Worker; one that takes handles gets those of the callables before it.

    Raises PartialFailureError and what else Worker.register raises.
    """
    described = started.built.described
    handles: dict[str, CallableHandle] = {}

    def add(name: str, target: object) -> None:
        begin = time.perf_counter()
        handles[name] = started.worker.register(target, name=sys.intern(name))
        console.action("registered", name, hashed=handles[name].hashid, seconds=time.perf_counter() - begin)

    # What no child of this topology could run is built, for the lock, and not registered.
    for name, built in started.built.chip_callables.items() if described.tree.total_chips else ():
        add(name, built)
    for spec in described.python_callables:
        add(spec.name, registered_target(spec, handles)[0])
    return Registered(started, handles)
