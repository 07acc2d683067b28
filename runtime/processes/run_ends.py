"""Tells the hosting servers of a Worker which runs have ended, so that hosts keep nothing for them."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime import _core
    from runtime.processes.hostings import Hostings


class RunEnds:
    """Watches the runs that may leave something on a host, in a thread that begins with the first of them."""

    def __init__(self, engine: _core.Engine, hostings: Hostings) -> None:
        self._hostings = hostings
        self._watched = _Watched(engine)
        self.close = weakref.finalize(self, self._watched.close)
        """Ends the thread. Called when this object is collected, too."""

    def watch(self, run: _core.Run) -> None:
        """From now on, the servers will hear of the end of ``run``."""
        self._watched.add(run, self._hostings)

    def leave_to_parent(self) -> None:
        """Called in a forked process, which has no such thread."""
        self.close.detach()


class _Watched:
    """The runs under way, and the event that the engine writes when one has ended."""

    def __init__(self, engine: _core.Engine) -> None:
        self._engine = engine
        self._event = os.eventfd(0, os.EFD_CLOEXEC)
        self._lock = threading.RLock()  # guards the three below; close() may be called wherever garbage is collected
        self._runs: dict[int, _core.Run] = {}
        self._has_thread = False
        self._closed = False

    def add(self, run: _core.Run, hostings: Hostings) -> None:
        with self._lock:
            if self._closed or run.id in self._runs:
                return
            self._runs[run.id] = run
            self._engine.watch_run(run, self._event)
            if not self._has_thread:
                arguments = self, weakref.ref(hostings)  # the thread keeps no Worker alive
                threading.Thread(target=_tell, args=arguments, daemon=True, name="ends of runs").start()
                self._has_thread = True

    def ended(self) -> list[int] | None:
        """Waits for runs to end, and returns those that have; None after close()."""
        os.eventfd_read(self._event)
        with self._lock:
            if self._closed:
                os.close(self._event)
                return None
            ended = [number for number, run in list(self._runs.items()) if self._engine.poll_run(run)]
            for number in ended:
                del self._runs[number]
            return ended

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for run in list(self._runs.values()):
                self._engine.unwatch_run(run, self._event)
            if self._has_thread:
                os.eventfd_write(self._event, 1)
            else:
                os.close(self._event)


def _tell(watched: _Watched, hostings: weakref.ref[Hostings]) -> None:
    while (ended := watched.ended()) is not None:
        living = hostings()
        if living is not None and ended:
            living.forget(ended)
        del living
