"""The machines of an engine on which the points of a sweep run, over the door that hosts nodes.

Each machine has a process with a FarPoints. The engine (runtime/hosting/door.py) decides nothing: which point runs
where, and what a lost machine means, is decided here.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import cloudpickle
from hydra.core.utils import JobRuntime

from pipeline.common import outcome
from pipeline.common.counts import count_of
from pipeline.sweep.far_points import Ran, Settings, differences, facts_here
from runtime.errors import StartError, WorkerLost
from runtime.hosting.door import HostLost
from runtime.hosting.engines import hosting_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from runtime.hosting.cluster import Cluster
    from runtime.hosting.door import Host, Hosting, Machine

Ended = Ran | Exception
"""How a point ended: an exception if it did not run to its end."""
_FAR_SIDE = "pipeline.sweep.far_points:FarPoints"
_OURS = "CALLRING_"
"""Environment variables with this prefix are set for the points, too."""
_POLL_SECONDS = 0.2
_PATIENCE = 5.0
"""Seconds that a machine may take to end its Workers, and an engine to end its connection."""
_BEATS = 3
"""How often a machine is asked for a sign of life in the time after which it is lost."""


class Machines:
    """The machines of one sweep, as a context: at its end, all processes there end.

    Args:
        cluster: the engine, and which of its machines.
        wanted: how many machines must be there; None: those that are there, at least one.
        at_once: how many points a machine runs at the same time.
        seconds: how long machines may take to join, and then to be ready.
    """

    def __init__(self, cluster: Cluster, wanted: int | None, at_once: int, seconds: float) -> None:
        self._cluster, self._wanted, self._at_once, self._seconds = cluster, wanted, at_once, seconds
        self._hosting: Hosting | None = None
        self._places: list[_Place] = []
        self._threads: list[threading.Thread] = []
        self._jobs: queue.SimpleQueue[tuple[int, str, tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[tuple[int | None, Ended | str]] = queue.SimpleQueue()
        """How a point ended, by its number; or, without a number, why a place is gone, or empty text: it is ready."""
        self._gone: list[str] = []

    def __enter__(self) -> Self:
        """Connects, and waits until all machines are ready.

        Raises:
            StartError: the engine does not answer, machines are missing, or one of them cannot run points; in one line.
        """
        try:
            self._open()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _open(self) -> None:
        try:
            self._hosting = hosting_of(self._cluster, _FAR_SIDE, apart=True)
            self._hosting.open()
            machines = self._joined(self._hosting)
        except HostLost as error:
            raise StartError(str(error)) from None
        settings = Settings(
            str(Path.cwd()),
            [path for path in sys.path if path],
            list(outcome.arguments),
            {name: value for name, value in os.environ.items() if name.startswith(_OURS)},
            str(JobRuntime.instance().get("name")),
        )
        for machine in machines:
            for _ in range(self._at_once):
                place = _Place(self._hosting, machine, settings, self._cluster.lost_after, self._seconds)
                self._places.append(place)
                self._threads.append(threading.Thread(target=self._serve, args=(place,), daemon=True))
                self._threads[-1].start()
        refused = [why for _, why in (self._news.get() for _ in self._threads) if why]
        if refused:
            raise StartError("; ".join(dict.fromkeys(map(str, refused))))

    def _joined(self, hosting: Hosting) -> list[Machine]:
        """The machines to use, once enough of them have joined. Raises HostLost, StartError."""
        end = time.monotonic() + self._seconds
        least = self._wanted or 1
        while True:
            there = hosting.machines()
            fit = [machine for machine in there if self._cluster.accepts(machine.labels)]
            if len(fit) >= least:
                return fit[: self._wanted]
            if not hosting.may_grow or self._cluster.starts_here or time.monotonic() >= end:
                labels = ", ".join(f"{name}={value}" for name, value in self._cluster.labels)
                names = ", ".join(machine.name for machine in there)
                raise StartError(
                    f"{count_of(least, 'machine')} wanted{f' with {labels}' if labels else ''}: {len(there)} in the "
                    f"cluster{f' ({names})' if names else ''}, {len(fit)} fit; add machines, or ask for fewer"
                )
            time.sleep(_POLL_SECONDS)

    def run(self, jobs: Sequence[tuple[Any, ...]], mark: str, ended: Callable[[int, Ended], None]) -> None:
        """Runs points, each on the next machine that is free.

        Args:
            jobs: the arguments of ``run_point`` for each.
            mark: see FarPoints.point.
            ended: called with the place of a point in ``jobs`` and how it ended, as soon as it has.
        """
        for i, job in enumerate(jobs):
            self._jobs.put((i, mark, job))
        left = len(jobs)
        while left and len(self._gone) < len(self._threads):
            number, what = self._news.get()
            if number is None:
                self._gone.append(str(what))
                continue
            left -= 1
            ended(number, what)  # type: ignore[arg-type]
        for _ in range(left):
            waiting = self._jobs.get()
            assert waiting is not None
            ended(waiting[0], WorkerLost(f"no machine is left: {'; '.join(dict.fromkeys(self._gone))}"))

    def _serve(self, place: _Place) -> None:
        """A thread's work: makes a place ready, and runs one point after another there."""
        try:
            place.open()
            self._news.put((None, ""))
            while (job := self._jobs.get()) is not None:
                number, mark, arguments = job
                try:
                    packed = cloudpickle.dumps(arguments)
                except Exception as error:  # an object of a user's callback, for instance
                    self._news.put((number, error))
                    continue
                try:
                    self._news.put((number, place.run(mark, packed)))
                except Exception as error:  # HostLost, or an error of the engine
                    self._news.put((number, WorkerLost(f"machine {place.name}: {error or type(error).__name__}")))
                    place.open()
            place.close()
        except Exception as error:
            self._news.put((None, f"machine {place.name}: {error or type(error).__name__}"))
        finally:
            place.kill()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Ends the places, the points that still run there, and the connection."""
        for place in self._places:
            self._jobs.put(None)
            if kind is not None:
                place.kill()
        for thread in self._threads:
            thread.join(_PATIENCE + 1)
        if self._hosting is not None:
            closing = threading.Thread(target=self._hosting.close, daemon=True)
            closing.start()
            closing.join(_PATIENCE)  # an engine whose head is gone may not end its connection


class _Place:
    """Where one point at a time runs: a process on a machine. Its thread calls its methods, except ``kill``."""

    def __init__(
        self, hosting: Hosting, machine: Machine, settings: Settings, lost_after: float, seconds: float
    ) -> None:
        self.name = machine.name
        self._hosting, self._machine, self._settings = hosting, machine, settings
        self._lost_after, self._seconds = lost_after, seconds
        self._host: Host | None = None
        self._killed = False

    def open(self) -> None:
        """Starts a process on the machine, in place of one that was lost.

        Raises:
            HostLost: it does not start.
            StartError: the machine cannot run points.
        """
        if self._killed:
            raise HostLost("the sweep has ended")
        if self._host is not None:
            self._host.kill()  # it may be silent, and yet live
        self._host = self._hosting.place(self._machine, "points")
        theirs, lacks = self._ask("hello", self._settings, within=self._seconds)
        wrong = [lacks] if lacks else differences(facts_here(), theirs)
        if wrong:
            raise StartError("; ".join(wrong))

    def run(self, mark: str, job: bytes) -> Ran:
        """Runs a point; see FarPoints.point. Raises HostLost."""
        assert self._host is not None
        (ref,) = self._host.call("point", pickle.dumps((mark,)), job)
        while True:
            try:
                ran: Ran = pickle.loads(self._hosting.get(ref, self._lost_after / _BEATS))
            except TimeoutError:
                self._ask("clock", within=self._lost_after, control=True)
                continue
            return ran

    def close(self) -> None:
        """Ends the Workers there. Raises HostLost."""
        self._ask("close", within=_PATIENCE)

    def kill(self) -> None:
        """Ends the process, and everything that it runs."""
        self._killed = True
        if self._host is not None:
            self._host.kill()

    def _ask(self, method: str, *arguments: Any, within: float, control: bool = False) -> Any:
        assert self._host is not None
        (ref,) = self._host.call(method, pickle.dumps(arguments), control=control)
        try:
            return self._hosting.get(ref, within)
        except TimeoutError:
            raise HostLost(f"no answer for {within:.1f} s") from None
