"""execute: the workload's task graph on chips and sub-workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.interrupts import check
from pipeline.model import Executed, Registered

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.console import Console
    from runtime import Orchestrator, RunHandle


def execute(registered: Registered, console: Console) -> Executed:
    """Prepares the tensors and runs the graph ``warm_up + repeat`` times. Raises the first error of a run."""
    described = registered.started.built.described
    workload = described.workload
    workload.prepare(registered.started.worker)
    check()
    begin_run = _begin_run(registered, console)
    runs = []
    durations = []
    for number in range(described.warm_up + described.repeat):
        if number or described.capture:
            # Before the first launch, too: the orchestration function has run once to be captured.
            workload.reset()
        begin = time.perf_counter()
        run = begin_run()
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


def _begin_run(registered: Registered, console: Console) -> Callable[[], RunHandle]:
    """What begins a run: the orchestration function, or a launch of what it submitted once to be captured."""
    worker, described = registered.started.worker, registered.started.built.described

    def orchestrate(o: Orchestrator) -> None:
        described.workload.orchestrate(o, registered.handles)

    if not described.capture:
        return lambda: worker.submit(orchestrate)
    begin = time.perf_counter()
    graph = worker.capture(orchestrate)
    console.action("captured", f"{len(graph)} tasks", seconds=time.perf_counter() - begin)
    return lambda: worker.launch(graph)
