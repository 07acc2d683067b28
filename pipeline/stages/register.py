"""register: every callable of the workload, by its hash."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from pipeline.model import Registered, Started
from pipeline.targets import resolve_target, takes_handles

if TYPE_CHECKING:
    from pipeline.console import Console
    from runtime import CallableHandle


def register(started: Started, console: Console) -> Registered:
    """Registers with the Worker; one that takes handles gets those of the callables before it.

    Raises PartialFailureError and what else Worker.register raises.
    """
    described = started.built.described
    # What no child of this topology could run is built, for the lock, and not registered.
    targets: dict[str, Any] = dict(started.built.chip_callables) if described.tree.total_chips else {}
    for spec in described.python_callables:
        package = spec.target.partition(":")[0]
        targets[spec.name] = (
            resolve_target(spec.target, f"workload.callables.{spec.name}.target", [package])
            if spec.pickle_by_value
            else spec.target
        )
    handles: dict[str, CallableHandle] = {}
    for name, target in targets.items():
        begin = time.perf_counter()
        if takes_handles(target):
            target = functools.update_wrapper(functools.partial(target, handles=dict(handles)), target)
        handles[name] = started.worker.register(target, name=name)
        console.action("registered", name, hashed=handles[name].hashid, seconds=time.perf_counter() - begin)
    return Registered(started, handles)
