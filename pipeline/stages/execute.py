"""execute: the workload's task graph on chips and sub-workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.interrupts import check
from pipeline.model import Executed, Registered

if TYPE_CHECKING:
    from pipeline.console import Console


def execute(registered: Registered, console: Console) -> Executed:
    """Prepares the tensors and runs the graph ``warm_up + repeat`` times. Raises the first error of a run."""
    worker = registered.started.worker
    described = registered.started.built.described
    described.workload.prepare(worker)
    check()
    runs = []
    durations = []
    for number in range(described.warm_up + described.repeat):
        begin = time.perf_counter()
        run = worker.submit(lambda o: described.workload.orchestrate(o, registered.handles))
        try:
            run.result()
        except KeyboardInterrupt:
            run.cancel()
            raise
        duration = time.perf_counter() - begin
        runs.append(run)
        if number < described.warm_up:
            console.action("warmed up", described.workload_name, seconds=duration)
        else:
            durations.append(duration)
            console.action("executed", described.workload_name, seconds=duration)
    return Executed(registered, tuple(runs), tuple(durations))
