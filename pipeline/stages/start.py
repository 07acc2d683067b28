"""start: a Worker for the topology, ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.model import Built, Started
from runtime import Worker, WorkerOptions

if TYPE_CHECKING:
    from pipeline.console import Console
    from pipeline.warm_workers import WarmWorkers


def start(built: Built, console: Console, warm: WarmWorkers | None) -> Started:
    """Starts the processes, or takes a warm Worker of the same kind. Raises StartError; nothing is left behind then."""
    described = built.described
    children = f"{described.chips} chips" + (f", {described.sub_workers} subs" if described.sub_workers else "")
    begin = time.perf_counter()
    kept = warm.take(described) if warm else None
    if kept is not None:
        console.action("warm", children, seconds=time.perf_counter() - begin)
        return Started(built, kept)
    worker = Worker(
        level=3,
        chips=described.chips,
        sub_workers=described.sub_workers,
        platform=described.platform,
        runtime=described.runtime,
        options=WorkerOptions(trace=True, **described.worker_options),
    )
    worker.init()
    console.action("started", children, seconds=time.perf_counter() - begin)
    return Started(built, worker)
