"""start: a Worker for the topology, ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.model import Built, Started
from runtime import Worker, WorkerOptions

if TYPE_CHECKING:
    from pipeline.console import Console


def start(built: Built, console: Console) -> Started:
    """Starts the processes. Raises StartError; nothing is left behind then."""
    described = built.described
    begin = time.perf_counter()
    worker = Worker(
        level=3,
        chips=described.chips,
        sub_workers=described.sub_workers,
        platform=described.platform,
        runtime=described.runtime,
        options=WorkerOptions(trace=True, **described.worker_options),
    )
    worker.init()
    children = f"{described.chips} chips" + (f", {described.sub_workers} subs" if described.sub_workers else "")
    console.action("started", children, seconds=time.perf_counter() - begin)
    return Started(built, worker)
