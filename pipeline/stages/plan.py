"""plan: says what a run would do, and changes nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.callable_build import CallableBuilder
from pipeline.core_build import find_core
from pipeline.stages.build import chip_hashid
from pipeline.stages.lock import plan_lock
from runtime.identity import build_python_source_descriptor, compute_callable_hashid

if TYPE_CHECKING:
    from pipeline.console import Console
    from pipeline.model import Described
    from runtime import ChipCallable


def plan(described: Described, console: Console) -> None:
    """One line for the core, each callable and the processes."""
    core = find_core(described)
    console.action("cached" if core.folder else "would build", f"core ({described.build})", hashed=core.key)
    with tempfile.TemporaryDirectory(prefix="callring-plan-") as empty:
        # A store that does not exist yet must not come into being by being asked.
        root = described.store if (described.store / "callables").is_dir() else Path(empty)
        builder = CallableBuilder(root, described.platform, described.kernel_flags)
        cached: dict[str, ChipCallable] = {}
        for spec in described.chip_callables:
            found = builder.find(spec)
            if found is not None:
                cached[spec.name] = found
            hashed = chip_hashid(described, found) if found else ""
            console.action("cached" if found else "would build", spec.name, hashed=hashed)
        if described.lock != "off":
            plan_lock(described, cached, builder, console)
    for python in described.python_callables:
        by_source = not python.pickle_by_value
        hashed = compute_callable_hashid(build_python_source_descriptor(python.target)) if by_source else ""
        console.action("hashed", python.name, hashed=hashed)
    console.action("would start", f"parent: {described.chips} chips, {described.sub_workers} sub-workers")
    console.action("would run", f"{described.workload_name} on {described.topology} for {described.target}")
