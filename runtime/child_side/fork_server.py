"""The fork server: a single-threaded Python process that has imported the modules of sub-workers, and forks children.

It is started by exec, with its control socket as descriptor 3. It forks a sub-worker or a node for each request, reaps
each child that ends, and reports to the parent how the child ended. It serves one Worker after another: between two it
rests, and has nothing of either. The fork server ends with its parent, and its children end with it. A shortage of
processes, memory or descriptors delays one request, but no child that runs.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib  # noqa: F401 - imported once here: forked sub-workers inherit the module
import importlib
import os
import select
import signal
import struct
import sys
import time
import traceback  # noqa: F401 - likewise
from dataclasses import dataclass

import cloudpickle  # noqa: F401 - likewise
import numpy as np  # noqa: F401 - likewise

from runtime import _core
from runtime.child_side import sub_worker
from runtime.processes import handed_on

_OPERATIONS: dict[str, int] = _core.OPERATIONS
_CLOSED: int = _core.CODES["closed"]

_FIRST_PAUSE_NS = 10_000_000
_LONGEST_PAUSE_NS = 500_000_000
"""The pause between two attempts to fork. Each pause is twice as long as the one before, up to the longest."""

_STREAMS = (1, 2)
"""Standard output and error."""


def _begin_service(given: int, fds: list[int]) -> None:
    """Takes the streams that the parent has at this moment, from the front of ``fds``.

    Args:
        given: bits 1 and 2 are set if standard output and error are open in the parent.
    """
    for stream in _STREAMS:
        if given >> stream & 1:
            os.dup2(fds[0], stream)
            os.close(fds.pop(0))
    importlib.invalidate_caches()  # files may be newer than this process


def main() -> None:
    """Serves until the parent sends shutdown or has ended."""
    # A terminal sends an interrupt to every process of its session: only the parent reacts to it. A terminal
    # can also stop a background process that writes to it: the children must not be stopped.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.set_inheritable(_core.CONTROL_FD, False)
    channel = _core.Channel(_core.CONTROL_FD)
    gc.collect()
    gc.freeze()  # forked children share these pages as long as the collector does not touch them
    _ForkServer(channel).serve()


@dataclass
class _Request:
    """A request of the parent to fork one child."""

    sequence: int
    child_id: int
    deadline_ns: int
    control: int
    setup: int | None = None
    give_up_ns: int = 0
    attempts: int = 0
    again_ns: int = 0

    def close(self) -> None:
        os.close(self.control)
        if self.setup is not None:
            os.close(self.setup)


class _ForkServer:
    def __init__(self, channel: _core.Channel) -> None:
        self._channel = channel
        self._pid = os.getpid()
        self._children: dict[int, int] = {}  # pid to child id
        self._refused: list[_Request] = []  # requests whose fork the system refused; tried again
        # A signal reports deaths: with a pidfd for each child, more children would need more descriptors.
        self._deaths, self._death = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._death, warn_on_full_buffer=False)
        self._rest: int | None = None  # the number of the request to rest, which is answered when no child is left
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        self._poll.register(self._deaths, select.POLLIN)

    def serve(self) -> None:
        while True:
            for fd, _ in self._poll.poll(self._milliseconds()):
                if fd == self._deaths:
                    self._reap()
                elif not self._handle():
                    return
            self._try_again()
            if self._rest is not None and not self._children:
                self._begin_rest(self._rest)

    def _handle(self) -> bool:
        """Handles one message. Returns False when the fork server must end."""
        try:
            message = self._channel.receive(wait=False)
        except _core.NativeError as error:
            if error.args[0] != _CLOSED:
                raise
            return False  # the parent has ended
        if message is None:
            return True
        operation, sequence, argument, body, fds = message
        if operation == _OPERATIONS["fork_child"]:
            request = _Request(sequence, argument, int(body), *fds)
            now = time.monotonic_ns()
            request.give_up_ns = now + (request.deadline_ns - now) // 2  # the rest of the time is for the answer
            self._fork(request)
        elif operation == _OPERATIONS["rest"]:
            self._rest = sequence  # the Worker is closed, and the next one may want this process
        elif operation == _OPERATIONS["start"]:
            _begin_service(argument, fds)
            handed_on.take(body.decode(), fds)
        return bool(operation != _OPERATIONS["shutdown"])

    def _begin_rest(self, request: int) -> None:
        """Gives up what belongs to a Worker and to its user: a reader of the streams may wait for their end."""
        self._rest = None
        handed_on.give_up()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in _STREAMS:
            os.dup2(nothing, stream)
        os.close(nothing)
        self._channel.send(_OPERATIONS["rest"], request, 0, b"")

    # ---- forking ---------------------------------------------------------------------------------------------------

    def _fork(self, request: _Request) -> None:
        try:
            # Reserves the descriptor for pidfd_open, which must not fail once the process exists.
            spare = os.dup(request.control)
            try:
                pid = os.fork()
            finally:
                os.close(spare)
        except OSError as error:
            self._was_refused(request, error)
            return
        if pid == 0:
            self._become_child(request)
        with contextlib.suppress(OSError):  # the child has called it already, or has ended
            os.setpgid(pid, pid)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            # The child may have read its first messages already: a second process would not receive them.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._answer(request, f"pidfd_open: {error}", [])
        else:
            self._children[pid] = request.child_id
            self._answer(request, str(pid), [pidfd])
            os.close(pidfd)

    def _was_refused(self, request: _Request, error: OSError) -> None:
        now = time.monotonic_ns()
        request.attempts += 1
        if now >= request.give_up_ns:
            self._answer(request, f"the fork server cannot fork: {error}, {request.attempts} times", [])
        else:
            pause = min(_LONGEST_PAUSE_NS, _FIRST_PAUSE_NS << min(request.attempts, 10))
            request.again_ns = min(now + pause, request.give_up_ns)
            self._refused.append(request)

    def _try_again(self) -> None:
        now = time.monotonic_ns()
        due = [request for request in self._refused if request.again_ns <= now]
        self._refused = [request for request in self._refused if request.again_ns > now]
        for request in due:
            self._fork(request)

    def _milliseconds(self) -> float | None:
        if not self._refused:
            return None
        first = min(request.again_ns for request in self._refused)
        return max(0.0, (first - time.monotonic_ns()) / 1e6)

    def _answer(self, request: _Request, text: str, fds: list[int]) -> None:
        request.close()
        self._channel.send(_OPERATIONS["fork_child"], request.sequence, request.child_id, text.encode(), fds)

    def _become_child(self, request: _Request) -> None:
        """In the forked child: keeps only its own descriptors, and never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)  # the processes that it starts join its group, and end with it
            self._channel.close()
            os.close(self._deaths)
            os.close(self._death)
            for other in self._refused:
                other.close()
            if _core.die_with_parent(self._pid):
                _core.tie_forks()
                if request.setup is None:
                    status = sub_worker.main(request.control)
                else:
                    from runtime.child_side import node_worker  # imported late: not needed at level 3

                    status = node_worker.main(request.control, request.setup, request.deadline_ns)
        finally:
            _core.end_kept_fork_server(for_good=True)  # of Workers that a task made
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    # ---- deaths ----------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._deaths, 4096)
        while self._children:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            # Ends the processes that the child started. Their group keeps its number until the child is reaped.
            if ended.si_pid in self._children:
                with contextlib.suppress(OSError):
                    os.killpg(ended.si_pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            child_id = self._children.pop(ended.si_pid, None)
            if child_id is not None:  # else another module of this interpreter started it
                self._channel.send(_OPERATIONS["child_exited"], 0, child_id, struct.pack("=i", status))
