"""A gateway: the child process on this machine that stands for a node on another one.

To the engine above it is a node: it has a lane and a control socket. It forwards every registration and task to the
hosting server (runtime/child_side/hosting_server.py), which calls the far side. If the host is lost, the gateway ends:
so loss, replacement, retries and poisoning stay those of a child that died.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

from runtime import _core, identity
from runtime.child_side import far_arguments
from runtime.child_side.descriptions import KIND_CHIP, describe
from runtime.child_side.forwarding import Begun, Held, NodeTask, RaisedThere, lost_content, run
from runtime.child_side.hosted_tasks import Wanted
from runtime.child_side.sub_worker import Loader
from runtime.failure import HOST_LOST, native_errors
from runtime.hosting import transfer
from runtime.hosting.door import WELL
from runtime.hosting.wire import Door, Wire, WireClosed, connected
from runtime.pickles.outcomes import pack_exception, pickle_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.child_side.far_arguments import Home
    from runtime.processes.topology import Topology

MOST_AT_ONCE = 256
"""Tasks that may travel to a host together. A task never waits for others: those that are there travel."""

_CODES: dict[str, int] = _core.CODES
_KIND_SERIALIZED = 2


def main(control: int, topology: Topology, door: Door, deadline_ns: int) -> int:
    """Serves the Worker above, over ``control``, until it sends shutdown; returns the exit status."""
    try:
        gateway = _Gateway(topology, door, deadline_ns)
        try:
            gateway.lane = _core.NodeHost(control, gateway)
        except native_errors():
            return 1  # the Worker above has received the reason, or has ended
        gateway.lane.serve(gateway.pool, gateway.begin, pickle_value, _packed, MOST_AT_ONCE)
        gateway.close()
    except WireClosed:
        return HOST_LOST
    return 0


def _packed(error: BaseException) -> bytes:
    if isinstance(error, RaisedThere):
        packed: bytes = error.args[0]
        return packed
    return pack_exception(error)


class _Gateway:
    """Loader and runner of NodeHost. The control thread calls the loader's methods, the main thread calls ``begin``.

    Each has a connection of its own. On a third one, a thread waits for the news that the host is lost.
    """

    kinds = (KIND_CHIP, *Loader.kinds)

    def __init__(self, topology: Topology, door: Door, deadline_ns: int) -> None:
        self._topology = topology
        self._door = door
        self._deadline_ns = deadline_ns
        self._control: Wire
        self._tasks: Wire
        self._ending: threading.Thread
        self._held = Held()
        self._transfer = ""  # the hashid of transfers
        self.pool = _core.MemoryPool(1 << 20, 1 << 62)
        self.lane: _core.NodeHost | None = None

    def open(self) -> None:
        """Places the host and starts its Worker. Raises NativeError with the first cause."""
        seconds = max(0.0, (self._deadline_ns - time.monotonic_ns()) / 1e9)
        try:
            self._tasks, self._control, news = (connected(self._door) for _ in range(3))
            ticket, refusal = self._tasks.call("place", self._door.node, self._topology, list(sys.path), seconds)
            if refusal == WELL:
                self._control.call("join", ticket)
                news.call("join", ticket)
        except (OSError, WireClosed) as error:
            raise native_errors()(_CODES["worker_lost"], f"the hosting server has ended: {error}") from None
        _raise_if_refused(refusal)
        self._end_after(news)

    def _end_after(self, news: Wire) -> None:
        """Starts the thread that ends this process with its host."""
        self._ending = threading.Thread(target=_end_with_host, args=(news, self._door.node), daemon=True)
        self._ending.start()

    def describe(self, kind: int, payload: bytes) -> bytes:
        """As NodeLoader.describe: the host describes the bytes again, on its own machine."""
        return describe(self._topology, kind, payload)

    def load(self, kind: int, payload: bytes) -> str:
        """Installs a callable on the host; returns its hashid. Raises NativeError if a process there refuses it."""
        if payload == transfer.TARGET.encode():
            self._transfer = identity.compute_callable_hashid(self.describe(kind, payload))
            return self._transfer
        wrapped = _core.wrap_envelope(payload) if kind == _KIND_SERIALIZED else payload
        described = (
            identity.build_python_serialized_descriptor(payload)
            if kind == _KIND_SERIALIZED
            else self.describe(kind, payload)
        )
        hashid = identity.compute_callable_hashid(described)
        _raise_if_refused(
            self._or_end(lambda: self._control.call("install", kind, pickle.PickleBuffer(wrapped), hashid))
        )
        return hashid

    def unload(self, hashid: str) -> None:
        """Removes a callable from the host."""
        if hashid == self._transfer:
            return
        self._or_end(lambda: self._control.call("remove", hashid))

    def take_trace(self) -> bytes:
        """The host's trace, with the times of this machine's clock."""
        packed: bytes = self._or_end(lambda: self._control.call("take_trace"))
        return packed

    def begin(self, tasks: list[tuple[Any, ...]]) -> list[Callable[[], Any]]:
        """Runs tasks on the host, in one message; returns a call for each that has its value, or raises.

        Args:
            tasks: the fields of NodeTask of each.
        """
        ends: list[Callable[[], Any]] = []
        begun: list[Begun] = []
        for given in tasks:
            task = NodeTask(*given)
            if task.hashid == self._transfer:
                ends.append(self._move(task))
                continue
            one = Begun(task)
            ends.append(one.end)
            if one.error is None:
                begun.append(one)
        if begun:
            self._or_end(lambda: run(begun, self._ask, self._held))
        return ends

    def _move(self, task: NodeTask) -> Callable[[], Any]:
        """Brings the content of a tensor to this machine, or drops it; see runtime/hosting/transfer.py."""
        (tensor,), (how,) = task.tensors, task.scalars
        key = task.key_of(0)
        content, lost = self._or_end(lambda: self._ask("move", key, how))
        if lost:
            return functools.partial(_raise, lost_content(tensor, lost))
        if content is not None:
            far_arguments.fill(tensor, content)
            self._or_end(lambda: self._ask("brought", key))
        return _nothing

    def _ask(self, *request: Any) -> Any:
        """The answer of the hosting server about tasks; meanwhile it may ask for elements that are at home."""
        self._tasks.send(request)
        while isinstance(answer := self._tasks.receive(), Wanted):
            found = [self._at_home(home) for home in answer.homes]
            self._tasks.send(
                [content is not None for content in found]
                if answer.only_whether
                else [content and pickle.PickleBuffer(content) for content in found]
            )
        return answer

    def _at_home(self, home: Home) -> bytes | None:
        """These elements, if they are what they were."""
        tensor = self.lane.view(self.pool, *home.view) if self.lane else None
        content = None if tensor is None else far_arguments.copy_of(tensor)
        return content if content is not None and far_arguments.digest_of(content) == home.digest else None

    def close(self) -> None:
        """Ends the host's Worker and then the host, whose end is no news. Raises WireClosed if it has ended."""
        self._control.call("close")

    def _or_end(self, work: Callable[[], Any]) -> Any:
        """The answer of the hosting server; without one, the host is lost, and this process ends.

        The server closes the connections in any order, so the reason may still be under way. With the server's own end,
        the connection for news is closed, too.
        """
        try:
            return work()
        except WireClosed:
            self._ending.join()
            _end()


def _nothing() -> None:
    """The value of a transfer."""


def _raise(error: BaseException) -> NoReturn:
    raise error


def _end_with_host(news: Wire, node: int) -> None:
    """Waits for the end of the host."""
    try:
        machine, why = news.receive()
        print(f"callring: node {node}: its host on {machine} was lost: {why}", file=sys.stderr)
    finally:
        _end()


def _end() -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(HOST_LOST)


def _raise_if_refused(refusal: Sequence[Any]) -> None:
    code, text = refusal
    if code != _CODES["ok"]:
        raise native_errors()(code, text)
