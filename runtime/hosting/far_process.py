"""Starts the far side of a hosted node as a process, and passes calls on to it.

The process ends with the socket that it serves, so with the process that started it. Its children end with it.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import pickle
import queue
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from runtime.hosting.door import HostLost
from runtime.hosting.wire import Wire, WireClosed

if TYPE_CHECKING:
    from collections.abc import Sequence


_NO_FAR_SIDE = -1
"""In place of a call's number: the process cannot make its far side."""


class FarProcess:
    """A far side in a process of its own. Threads may call it at the same time.

    Args:
        far_side: ``"module:class"`` of the object in the process.
    """

    def __init__(self, far_side: str) -> None:
        ours, theirs = socket.socketpair()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from runtime.hosting.far_process import main; main({far_side!r})"
        )
        with theirs:
            self.process = subprocess.Popen([sys.executable, "-c", code], stdin=theirs.fileno(), start_new_session=True)
        self._wire = Wire(ours)
        self._sending = threading.Lock()  # also guards the two below
        self._waiting: dict[int, Future[list[Any]]] = {}
        self._lost = ""
        self._numbers = itertools.count()
        threading.Thread(target=self._receive, daemon=True).start()

    def call(self, method: str, head: bytes, contents: Sequence[Any], *, control: bool) -> Future[list[Any]]:
        """Begins a call; see Host.call. The future has its values: several of ``run``, one of each other method."""
        future: Future[list[Any]] = Future()
        with self._sending:
            number = next(self._numbers)
            self._waiting[number] = future
            with contextlib.suppress(WireClosed):  # _receive() ends all calls
                self._wire.send((number, method, head, [_apart(content) for content in contents], control))
            if self._lost:
                self._end_calls()
        return future

    def _receive(self) -> None:
        why = ""
        try:
            while True:
                number, well, values = self._wire.receive()
                if number == _NO_FAR_SIDE:
                    why = values
                    continue
                future = self._waiting.pop(number)
                future.set_result(values) if well else future.set_exception(values)
        except WireClosed:
            status = self.process.wait()
            with self._sending:
                self._lost = why or f"its process {self.process.pid} has ended (status {status})"
                self._wire.close()
                self._end_calls()

    def _end_calls(self) -> None:
        for future in self._waiting.values():
            future.set_exception(HostLost(self._lost))
        self._waiting.clear()

    def kill(self) -> None:
        """Kills the process; its children end with it."""
        self.process.kill()


def values_of(far: Any, method: str, head: bytes, contents: Sequence[Any]) -> list[Any]:
    """Calls a method of a far side: several values of ``run``, one of each other method."""
    value = getattr(far, method)(*pickle.loads(head), *contents)
    return list(value) if method == "run" else [value]


def _apart(content: Any) -> pickle.PickleBuffer:
    return pickle.PickleBuffer(content)


def main(far_side: str) -> None:
    """The process: serves requests of its standard input until that ends."""
    module, _, name = far_side.partition(":")
    wire = Wire(socket.socket(fileno=os.dup(0)))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        far = getattr(importlib.import_module(module), name)()
    except Exception as error:  # an installation that is not whole
        why = f"callring does not start for {sys.executable} there: {type(error).__name__}: {error}"
        wire.send((_NO_FAR_SIDE, False, why))
        sys.exit(1)
    sending = threading.Lock()
    ordered: queue.SimpleQueue[Any] = queue.SimpleQueue()
    beside: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def serve(requests: queue.SimpleQueue[Any]) -> None:
        while True:
            number, *request = requests.get()
            answer: tuple[int, bool, Any]
            try:
                answer = (number, True, values_of(far, *request))
            except Exception as error:
                answer = (number, False, error)
            with sending, contextlib.suppress(WireClosed):  # receive() ends the process
                wire.send(answer)

    def receive() -> None:
        try:
            while True:
                *request, control = wire.receive()
                (beside if control else ordered).put(request)
        finally:
            os._exit(0)

    for work in (receive, lambda: serve(beside)):
        threading.Thread(target=work, daemon=True).start()
    serve(ordered)
