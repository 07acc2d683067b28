"""The machines of a plan: how many the nodes need, and which ones the engine has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.topology import ENGINE
from pipeline.plan.model import PlannedMachines
from runtime.errors import CallringError
from runtime.hosting.head import require_head
from runtime.hosting.look import machines_of
from runtime.hosting.requirements import missing

if TYPE_CHECKING:
    from pipeline.config.topology import Level

_PATIENCE = 60.0
"""Seconds that an engine has to answer."""
_UNKNOWN = "not known which there are: "


def planned_machines(tree: Level) -> PlannedMachines | None:
    """The machines for a topology; None if its nodes are on this machine. Starts no engine."""
    engine = tree.engine
    if not engine.is_remote:
        return None
    wanted = 1 if engine.shares_machines else len(tree.children)
    found, unknown = None, ""
    lacking = missing(engine)
    if lacking:
        unknown = _UNKNOWN + lacking
    elif engine.starts_here:
        unknown = f"the run starts {engine.kind} on this machine"
    else:
        try:
            require_head(engine, ENGINE)
            found = tuple(machine.name for machine in machines_of(engine, _PATIENCE) if engine.accepts(machine.labels))
        except CallringError as error:
            unknown = _UNKNOWN + str(error.args[0])
    return PlannedMachines(engine.kind, engine.address, wanted, found, unknown)
