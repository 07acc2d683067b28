"""execute: the workload's task graph on chips and sub-workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.common.counts import count_of, duration, whole_seconds
from pipeline.run.stage_results import Executed, Registered
from pipeline.terminal.interrupts import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.terminal.console import Console
    from runtime import Orchestrator, RunHandle, Worker

_RECENT = 1000
"""Number of latest runs in an estimate."""
_LONG = 1.0
"""Duration of a run in seconds from which its tasks are shown."""


def execute(registered: Registered, console: Console) -> Executed:
    """Prepares the tensors and runs the graph ``warm_up + repeat`` times. Raises the first error of a run."""
    described = registered.started.built.described
    workload = described.workload
    workload.prepare(registered.started.worker)
    check()
    begin_graph = _begin_graph(registered, console)
    worker = registered.started.worker
    phases = [
        Phase("warmed up", described.workload_name, described.warm_up, worker),
        Phase("executed", described.workload_name, described.repeat, worker),
    ]
    runs: list[RunHandle] = []
    for phase in phases:
        try:
            for _ in range(phase.total):
                if runs or described.capture:
                    # Restored before the first launch, too: the capture has run the orchestration function once.
                    workload.reset()
                phase.begin_run()
                # After begin_run, so that lines in a pipe count runs, never the previous run's tasks.
                console.counted("tasks" if phase.total == 1 else "runs", phase.progress, phase.words)
                begin = time.perf_counter()
                run = begin_graph()
                try:
                    run.result()
                except KeyboardInterrupt:
                    run.cancel()
                    raise
                phase.seconds.append(time.perf_counter() - begin)
                runs.append(run)
        finally:
            phase.say(console)
    return Executed(registered, tuple(runs), *(tuple(phase.seconds) for phase in phases))


class Phase:
    """Runs of one kind, warm-up or measured, and their printed line.

    Args:
        word: the first word of the line.
        name: the name of the workload.
        total: the planned number of runs.
        worker: executes the runs.
    """

    def __init__(self, word: str, name: str, total: int, worker: Worker) -> None:
        self._word, self._name, self._worker = word, name, worker
        self.total = total
        self.seconds: list[float] = []
        """Durations of the successful runs."""
        self._accepted = 0
        self._begun = 0.0

    def begin_run(self) -> None:
        """Records the begin of a run."""
        if self._are_long:
            self._accepted = self._worker.stats().accepted
        self._begun = time.monotonic()

    @property
    def _are_long(self) -> bool:
        """Whether the tasks of the next run are shown: if the last run took long, or before the first run."""
        return not self.seconds or self.seconds[-1] >= _LONG

    @property
    def _shows_tasks(self) -> bool:
        return self.total == 1 or (self._are_long and time.monotonic() - self._begun >= _LONG)

    def progress(self) -> tuple[int, int]:
        """Done and total number: of the runs, or for long runs of the tasks submitted so far."""
        if not self._shows_tasks:
            return len(self.seconds), self.total
        now = self._worker.stats()
        return now.accepted - now.pending - self._accepted, now.accepted - self._accepted

    def words(self) -> str:
        """The time of one run and of the remaining runs."""
        run = f"tasks, run {len(self.seconds) + 1:,} of {self.total:,}" if self._shows_tasks and self.total > 1 else ""
        if not self.seconds:
            return run
        from statistics import median

        middle = median(self.seconds[-_RECENT:])
        left = whole_seconds(middle * (self.total - len(self.seconds)))
        return f"{run}{', ' if run else ''}median {duration(middle)}, about {left} left"

    def _median(self) -> float:
        if len(self.seconds) == 1:
            return self.seconds[0]
        from statistics import median  # one run needs no statistics

        return median(self.seconds)

    def say(self, console: Console) -> None:
        """Prints the line about the ended runs, also if the last one failed."""
        if not self.seconds:
            return
        also = ""
        if self.total > 1:
            of = "" if len(self.seconds) == self.total else f" of {self.total:,}"
            also = f" (median of {len(self.seconds):,}{of})"
        console.action(self._word, self._name, seconds=self._median(), also=also)


def _begin_graph(registered: Registered, console: Console) -> Callable[[], RunHandle]:
    """The function that begins a run: the orchestration function, or a launch of its captured graph."""
    worker, described = registered.started.worker, registered.started.built.described

    def orchestrate(o: Orchestrator) -> None:
        described.workload.orchestrate(o, registered.handles)

    if not described.capture:
        return lambda: worker.submit(orchestrate)
    begin = time.perf_counter()
    graph = worker.capture(orchestrate)
    console.action("captured", count_of(len(graph), "task"), seconds=time.perf_counter() - begin)
    return lambda: worker.launch(graph)
