"""The fork server: a single-threaded Python process that has imported what sub-workers need, and forks Python children.

Started by exec with its control socket as descriptor 3. It forks a sub-worker, or a node child, for each request, reaps
it when it ends and tells the parent how; it ends with its parent, and its children with it. What it lacks for a moment
(a process, memory, a descriptor) delays one request and harms no child that it has.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import struct
import sys
import time
from dataclasses import dataclass

import cloudpickle  # noqa: F401 - imported once here, so that no sub-worker has to
import numpy as np  # noqa: F401 - likewise

from runtime import _core
from runtime.child_side import sub_worker
from runtime.processes import handed_on

_OPERATIONS: dict[str, int] = _core.OPERATIONS
_CLOSED: int = _core.CODES["closed"]

_FIRST_PAUSE_NS = 10_000_000
_LONGEST_PAUSE_NS = 500_000_000
"""Between two attempts to fork; each pause is twice as long as the one before."""


def main() -> None:
    """Serves until the parent says shutdown or is gone."""
    # An interrupt may be sent to every process of a session; what it means is the parent's decision. Nor may the
    # terminal stop a child that writes to it, as it may stop a process that is not in its foreground group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.set_inheritable(_core.CONTROL_FD, False)
    channel = _core.Channel(_core.CONTROL_FD)
    gc.collect()
    gc.freeze()  # forked children share these pages as long as the collector does not touch them
    _ForkServer(channel).serve()


@dataclass
class _Request:
    """One child to be forked."""

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
        self._refused: list[_Request] = []  # by the system, for now
        # A signal, and no descriptor for each child: how many it needs does not grow with its children.
        self._deaths, self._death = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._death, warn_on_full_buffer=False)
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

    def _handle(self) -> bool:
        """Handles one message; False when there is nothing left to serve."""
        try:
            message = self._channel.receive(wait=False)
        except _core.NativeError as error:
            if error.args[0] != _CLOSED:
                raise
            return False  # the parent is gone
        if message is None:
            return True
        operation, sequence, argument, body, fds = message
        if operation == _OPERATIONS["fork_child"]:
            request = _Request(sequence, argument, int(body), *fds)
            now = time.monotonic_ns()
            request.give_up_ns = now + (request.deadline_ns - now) // 2  # the rest is for its parent to tell of it
            self._fork(request)
        elif operation == _OPERATIONS["start"]:
            handed_on.take(body.decode(), fds)
        return bool(operation != _OPERATIONS["shutdown"])

    # ---- forking ---------------------------------------------------------------------------------------------------

    def _fork(self, request: _Request) -> None:
        try:
            # The descriptor that pidfd_open is to get: it must not be missing once the process is there.
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
        with contextlib.suppress(OSError):  # it has done so itself, or has ended already
            os.setpgid(pid, pid)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            # It may have read what its parent has sent it, so that no other process could begin in its place.
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
            os.setpgid(0, 0)  # what it starts is of its group, and ends with it
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
                    from runtime.child_side import node_worker  # a level 3 Worker's fork server has no use for it

                    status = node_worker.main(request.control, request.setup, request.deadline_ns)
        finally:
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
            # What it started and left behind. Until it is reaped, no other group has its number.
            if ended.si_pid in self._children:
                with contextlib.suppress(OSError):
                    os.killpg(ended.si_pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            child_id = self._children.pop(ended.si_pid, None)
            if child_id is not None:  # not something that another module started when this interpreter did
                self._channel.send(_OPERATIONS["child_exited"], 0, child_id, struct.pack("=i", status))
