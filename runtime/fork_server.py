"""The fork server: a single-threaded Python process that has imported what sub-workers need, and forks Python children.

Started by exec with its control socket as descriptor 3. It forks a sub-worker, or a node child, for each request, reaps
it when it ends and tells the parent how; it ends with its parent, and its children with it.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import struct
import sys

import cloudpickle  # noqa: F401 - imported once here, so that no sub-worker has to
import numpy as np  # noqa: F401 - likewise

from runtime import _core, sub_worker

_OPERATIONS: dict[str, int] = _core.OPERATIONS


def main() -> None:
    """Serves until the parent says shutdown or is gone."""
    if not _core.die_with_parent():
        sys.exit(2)
    # Interrupts from the terminal reach the whole group; what they mean is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = _core.Channel(_core.CONTROL_FD)
    gc.collect()
    gc.freeze()  # forked children share these pages as long as the collector does not touch them
    _ForkServer(channel).serve()


class _ForkServer:
    def __init__(self, channel: _core.Channel) -> None:
        self._channel = channel
        self._children: dict[int, tuple[int, int]] = {}  # pidfd to (pid, child id)
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)

    def serve(self) -> None:
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._children:
                    self._reap(fd)
                elif not self._handle():
                    return

    def _handle(self) -> bool:
        """Handles one message; False when there is nothing left to serve."""
        try:
            message = self._channel.receive(wait=False)
        except _core.NativeError:
            return False  # the parent is gone
        if message is None:
            return True
        operation, sequence, argument, body, fds = message
        if operation == _OPERATIONS["fork_child"]:
            self._fork(sequence, argument, int(body), *fds)
        return bool(operation != _OPERATIONS["shutdown"])

    def _fork(self, sequence: int, child_id: int, deadline_ns: int, control: int, setup: int | None = None) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_child(control, setup, deadline_ns)
        os.close(control)
        if setup is not None:
            os.close(setup)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = (pid, child_id)
        self._poll.register(pidfd, select.POLLIN)
        self._channel.send(_OPERATIONS["fork_child"], sequence, child_id, str(pid).encode(), [pidfd])

    def _become_child(self, control: int, setup: int | None, deadline_ns: int) -> None:
        """In the forked child: keeps only its own descriptors, and never returns."""
        status = 1
        try:
            self._channel.close()
            for pidfd in self._children:
                os.close(pidfd)
            if _core.die_with_parent():
                if setup is None:
                    status = sub_worker.main(control)
                else:
                    from runtime import node_worker  # a level 3 Worker's fork server has no use for it

                    status = node_worker.main(control, setup, deadline_ns)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self, pidfd: int) -> None:
        pid, child_id = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._channel.send(_OPERATIONS["child_exited"], 0, child_id, struct.pack("=i", status))
