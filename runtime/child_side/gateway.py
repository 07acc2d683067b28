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
from runtime.child_side.sub_worker import Loader
from runtime.chips.chip_callable import ChipCallable
from runtime.errors import ConfigurationError
from runtime.failure import HOST_LOST, native_errors
from runtime.hosting.door import WELL
from runtime.hosting.wire import Door, Wire, WireClosed, connected
from runtime.pickles.outcomes import pack_exception, pickle_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.child_side.far_arguments import Call, Outcome
    from runtime.processes.topology import Topology
    from runtime.tensors.tensor import Tensor

MOST_AT_ONCE = 256
"""Tasks that may travel to a host together. A task never waits for others: those that are there travel."""

_CODES: dict[str, int] = _core.CODES
_KIND_CHIP, _KIND_SERIALIZED = 1, 2


class RaisedThere(Exception):  # noqa: N818 - not an error of this process
    """An orchestration function raised on its host; ``args[0]`` is the packed exception."""


def main(control: int, topology: Topology, door: Door, deadline_ns: int) -> int:
    """Serves the Worker above, over ``control``, until it sends shutdown; returns the exit status."""
    try:
        gateway = _Gateway(topology, door, deadline_ns)
        try:
            host = _core.NodeHost(control, gateway)
        except native_errors():
            return 1  # the Worker above has received the reason, or has ended
        host.serve(_core.MemoryPool(1 << 20, 1 << 62), gateway.begin, pickle_value, _packed, MOST_AT_ONCE)
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
    """Loader and runner of NodeHost. The control thread calls the loader's methods, the main thread ``run``; each has a
    connection of its own. On a third one, a thread waits for the news that the host is lost."""

    kinds = (_KIND_CHIP, *Loader.kinds)

    def __init__(self, topology: Topology, door: Door, deadline_ns: int) -> None:
        self._topology = topology
        self._door = door
        self._deadline_ns = deadline_ns
        self._control: Wire
        self._tasks: Wire

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
        threading.Thread(target=_end_with_host, args=(news, self._door.node), daemon=True).start()

    def describe(self, kind: int, payload: bytes) -> bytes:
        """As NodeLoader.describe: the host describes the bytes again, on its own machine."""
        if kind != _KIND_CHIP:
            return Loader.describe(kind, payload)
        return identity.build_chip_callable_descriptor(
            blob=payload,
            signature=ChipCallable.from_bytes(payload).signature,
            platform=self._topology.platform,
            runtime=self._topology.runtime,
        )

    def load(self, kind: int, payload: bytes) -> str:
        """Installs a callable on the host; returns its hashid. Raises NativeError if a process there refuses it."""
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
        self._or_end(lambda: self._control.call("remove", hashid))

    def take_trace(self) -> bytes:
        """The host's trace, with the times of this machine's clock."""
        packed: bytes = self._or_end(lambda: self._control.call("take_trace"))
        return packed

    def begin(self, tasks: list[tuple[Any, ...]]) -> list[Callable[[], Any]]:
        """Runs tasks on the host, in one message; returns a call for each that has its value, or raises.

        Args:
            tasks: hashid, tensors, tags, scalars and block count of each.
        """
        calls: list[Call] = []
        contents: list[Any] = []
        ends: list[Callable[[], Any]] = []
        outcomes: list[tuple[Outcome, list[Any]]] = []
        for hashid, tensors, tags, scalars, block_count in tasks:
            try:
                call, large = far_arguments.pack(hashid, tensors, tags, scalars, block_count)
            except ConfigurationError as error:
                ends.append(functools.partial(_raise, error))
                continue
            ends.append(functools.partial(_ended, call, tensors, outcomes, len(calls)))
            calls.append(call)
            contents += [pickle.PickleBuffer(content.data) for content in large]
        if calls:
            returns = sum(call.large_results for call in calls)
            packed, *written = self._or_end(lambda: self._tasks.call("run", pickle.dumps((calls,)), contents, returns))
            left, found = iter(written), pickle.loads(packed)
            outcomes += [
                (out, [next(left) for _ in range(call.large_results)]) for call, out in zip(calls, found, strict=True)
            ]
        return ends

    def close(self) -> None:
        """Ends the host's Worker and then the host."""
        self._or_end(lambda: self._control.call("close"))

    def _or_end(self, work: Callable[[], Any]) -> Any:
        """The answer of the hosting server; without one, the host is lost, and this process ends at once."""
        try:
            return work()
        except WireClosed:
            _end()


def _ended(call: Call, tensors: list[Tensor], outcomes: list[tuple[Outcome, list[Any]]], place: int) -> Any:
    """The value of a task that has ended on its host; its outputs are then in its tensors."""
    outcome, large = outcomes[place]
    if outcome.code != _CODES["ok"]:
        raise RaisedThere(bytes(outcome.payload))
    far_arguments.store(call, tensors, outcome, iter(large))
    return pickle.loads(outcome.payload, buffers=outcome.buffers)


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
