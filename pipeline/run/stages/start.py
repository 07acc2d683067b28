"""start: starts a Worker for the topology."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.run.stage_results import Built, Started
from runtime import Worker, WorkerOptions

if TYPE_CHECKING:
    from pipeline.config.topology import Level
    from pipeline.run.stage_results import Described
    from pipeline.run.worker_pool import WarmWorkers
    from pipeline.terminal.console import Console


def start(built: Built, console: Console, warm: WarmWorkers | None) -> Started:
    """Starts the processes, or takes a warm Worker of the same kind. Raises StartError and then leaves no process."""
    described = built.described
    children = described.tree.words
    begin = time.perf_counter()
    kept = warm.take(described) if warm else None
    if kept is not None:
        console.action("warm", children, seconds=time.perf_counter() - begin)
        return Started(built, kept)
    worker = assemble(described.tree, described).init()
    console.action("started", children, seconds=time.perf_counter() - begin)
    return Started(built, worker)


def assemble(level: Level, described: Described, *, trace: bool = True) -> Worker:
    """A Worker for one level and the levels below it, not started; only the root has ``trace``."""
    worker = Worker(
        level=level.level,
        chips=level.chips,
        sub_workers=level.sub_workers,
        platform=described.platform,
        runtime=described.runtime,
        options=WorkerOptions(trace=trace, **described.worker_options),
    )
    for child in level.children:
        worker.add_worker(assemble(child, described, trace=False), on=level.engine)
    return worker
