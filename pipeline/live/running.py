"""The server's messages about one run: its stages, its workers, and the tasks that ended since the last message."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pipeline.report.workers import child_name
from runtime.errors import CallringError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.terminal.actions import Action
    from pipeline.terminal.console import Console
    from runtime import Glimpse, TaskSpan, Worker

MOST_TASKS = 1000
"""Most tasks of one message. A message takes a millisecond or two of this process, each second."""
_SHORT = 8


class Look:
    """The position of one reader in the records: it receives each task once, beginning with the last ended ones."""

    def __init__(self) -> None:
        self._of: Running | None = None
        self._recorded = 0

    def at(self, run: Running, worker: Worker) -> Glimpse:
        """The records of a run since this reader's last message."""
        if run is not self._of:
            self._of, self._recorded = run, max(0, worker.glimpse(most=0).recorded - MOST_TASKS)
        seen = worker.glimpse(self._recorded, MOST_TASKS)
        self._recorded = seen.recorded
        return seen


class Running:
    """One run that is under way; readers query it from other threads.

    Args:
        title: the workload, for people.
        where: the topology that it runs on, for people.
        console: records the stages.
        folder: the run directory.
        names: names of callables by hashid, as far as they are known.
    """

    def __init__(
        self,
        title: str,
        where: str,
        console: Console,
        folder: Path,
        names: Callable[[], Mapping[str, str]],
    ) -> None:
        self.title, self.where, self.folder = title, where, folder
        self._console, self._names = console, names
        self._began_ns = time.monotonic_ns()
        self.worker: Worker | None = None
        """The Worker while it is ready; otherwise None."""

    def tell(self, look: Look) -> dict[str, Any]:
        """The state of the run now. Durations are seconds; times are nanoseconds of CLOCK_MONOTONIC.

        Returns:
            ``title``, ``where``; ``began_ns``, ``elapsed``; ``stages``, each ``[name, seconds, actions]`` with actions
            ``[word, name, short hash, seconds]``; ``stage``, the stage at work, or null; ``workers``, or null while
            there are none.
        """
        progress = self._console.progress
        at_work = None
        if progress is not None:
            done, total = progress.counted()
            at_work = {
                "name": progress.name,
                "elapsed": progress.elapsed,
                "words": progress.told(),
                "things": progress.things,
                "done": done,
                "total": total,
                "actions": [_action(action) for action in self._console.actions],
            }
        return {
            "title": self.title,
            "where": self.where,
            "began_ns": self._began_ns,
            "elapsed": (time.monotonic_ns() - self._began_ns) / 1e9,
            "stages": [
                [stage.name, stage.seconds, [_action(action) for action in stage.actions]]
                for stage in self._console.stages
            ],
            "stage": at_work,
            "workers": self._workers(look),
        }

    def _workers(self, look: Look) -> dict[str, Any] | None:
        """The work of the Worker's own processes; only the report has the processes below nodes.

        ``stats`` is WorkerStats. ``children`` are ``[name, kind, pid, state, number of ended tasks, restarts, end of
        the previous process]``. ``names`` are those of callables. ``now`` is the time of this message. The other keys
        are those of Glimpse; a task is ``[child, begin, duration, name, state, run, task, submit, dispatch,
        complete]``; child and name are indices, -1 for a task that was never dispatched; the time of an event that
        never happened is 0. An unfinished task begins when it was dispatched, and has no duration.
        """
        worker = self.worker
        if worker is None:
            return None
        try:
            stats, seen = worker.stats(), look.at(self, worker)
            children = sorted(worker.children, key=lambda child: (child.kind == "sub", child.kind, child.id))
        except CallringError:
            return None  # the Worker was closed meanwhile
        index = {(child.kind, child.id): i for i, child in enumerate(children)}
        names = dict(self._names())
        number = {hashid: i for i, hashid in enumerate(names)}

        def task(span: TaskSpan) -> list[Any]:
            name = number.setdefault(span.hashid, len(number))
            child = index.get((span.kind, span.worker), -1) if span.dispatch_ns else -1
            begin = span.begin_ns or span.dispatch_ns
            row = [child, begin, max(0, span.end_ns - begin), name, span.state, span.run, span.task]
            return [*row, span.submit_ns, span.dispatch_ns, span.complete_ns]

        ended, begun = [task(span) for span in seen.ended], [task(span) for span in seen.begun]
        return {
            "stats": stats._asdict(),
            "children": [
                [child_name(c.kind, c.id), c.kind, c.pid, c.state, c.completed, c.incarnation - 1, c.last_exit]
                for c in children
            ],
            "names": [names.get(hashid, hashid) for hashid in number],
            "now": time.monotonic_ns(),
            "recorded": seen.recorded,
            "step": seen.step,
            "ended": ended,
            "begun": begun,
        }


def _action(action: Action) -> list[Any]:
    return [action.word, action.name, action.hash.removeprefix("sha256:")[:_SHORT], action.seconds]
