"""Starts the far side of a hosted node as a process, and calls it.

The process ends with the sockets that it serves, so with the process that started it. Its children end with it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from runtime.hosting.door import HostLost
from runtime.hosting.far_here import FarHere
from runtime.hosting.shared_bytes import SharedBytes, Span
from runtime.hosting.transfer import LARGE
from runtime.hosting.wire import Wire, WireClosed

if TYPE_CHECKING:
    from collections.abc import Sequence


class FarProcess:
    """A far side in a process of its own. Threads may call it at the same time.

    Two sockets lead to it, one for the calls in order and one for control calls. The thread that calls receives the
    answer itself, and the thread of the process that receives a call executes it: no thread has to wake another one.

    Args:
        far_side: ``"module:class"`` of the object in the process.
    """

    def __init__(self, far_side: str) -> None:
        (ordered, theirs), (control, theirs_too) = socket.socketpair(), socket.socketpair()
        self._sent, self._received = SharedBytes(), SharedBytes()
        given = (theirs_too.fileno(), self._sent.descriptor, self._received.descriptor)
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from runtime.hosting.far_process import main; main({far_side!r}, {given})"
        )
        with theirs, theirs_too:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], stdin=theirs.fileno(), pass_fds=given, start_new_session=True
            )
        self._ordered, self._control = Wire(ordered), Wire(control)
        self._in_order, self._of_control = threading.Lock(), threading.Lock()  # one call at a time on each socket
        self._lost = ""

    def call(self, method: str, head: bytes, contents: Sequence[Any], *, control: bool) -> list[Any]:
        """Calls a method, and waits for its values: several of ``run``, one of each other method.

        Args:
            head: the pickled tuple of the first arguments.
            contents: further arguments, which are buffers. A control call has none.

        Returns:
            Large values are views of memory that the next call changes, unless it is a control call.

        Raises:
            HostLost: the process has ended.
        """
        try:
            if control:
                with self._of_control:
                    well, values = self._control.call(method, head, [])
            else:
                with self._in_order:
                    large = [content for content in contents if len(content) >= LARGE]
                    spans = iter(self._sent.put(large))
                    given = [next(spans) if len(one) >= LARGE else pickle.PickleBuffer(one) for one in contents]
                    well, values = self._ordered.call(method, head, given)
        except WireClosed:
            raise self._ended("") from None
        if well is None:
            raise self._ended(values)
        if not well:
            raise values
        return [self._received.view(value) if isinstance(value, Span) else value for value in values]

    def _ended(self, why: str) -> HostLost:
        """What a call raises when the process has ended or ends, with the reason that it gave."""
        status = self.process.wait()
        self._lost = self._lost or why or f"its process {self.process.pid} has ended (status {status})"
        for wire in (self._ordered, self._control):
            wire.close()
        return HostLost(self._lost)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """Kills the process; its children end with it."""
        self.process.kill()


def main(far_side: str, given: tuple[int, int, int]) -> None:
    """The process: serves requests of its standard input, in order, and control requests beside them.

    Args:
        far_side: ``"module:class"`` of the object that is called.
        given: descriptors of the socket for control requests, and of the memories that are read and written here.
    """
    ordered, control = Wire(socket.socket(fileno=os.dup(0))), Wire(socket.socket(fileno=given[0]))
    received, sent = SharedBytes(given[1]), SharedBytes(given[2])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    far = FarHere(far_side)
    if far.refusal:
        with contextlib.suppress(WireClosed):
            ordered.receive()
            ordered.send((None, far.refusal))
        sys.exit(1)

    def answered(wire: Wire, method: str, head: bytes, contents: list[Any]) -> tuple[bool, Any]:
        try:
            given = [_found(received, content) for content in contents]
            return True, far.call(method, head, given, control=wire is not ordered)
        except Exception as error:
            return False, error

    def serve(wire: Wire) -> None:
        try:
            while True:
                well, values = answered(wire, *wire.receive())
                if well and wire is ordered:
                    values = _lent(sent, values)
                wire.send((well, values))
        finally:
            os._exit(0)

    threading.Thread(target=serve, args=(control,), daemon=True).start()
    serve(ordered)


def _found(received: SharedBytes, content: Any) -> Any:
    return received.view(content) if isinstance(content, Span) else content


def _lent(sent: SharedBytes, values: list[Any]) -> list[Any]:
    """The values, with those that are large arrays in shared memory."""
    large = [place for place, value in enumerate(values) if getattr(value, "nbytes", 0) >= LARGE]
    for place, span in zip(large, sent.put([values[place] for place in large]), strict=True):
        values[place] = span
    return values
