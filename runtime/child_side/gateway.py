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
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from runtime import _core, identity
from runtime.child_side import far_arguments
from runtime.child_side.descriptions import KIND_CHIP, describe
from runtime.child_side.sub_worker import Loader
from runtime.errors import ConfigurationError, WorkerLost
from runtime.failure import HOST_LOST, native_errors
from runtime.hosting import transfer
from runtime.hosting.door import WELL
from runtime.hosting.wire import Door, Wire, WireClosed, connected
from runtime.pickles.outcomes import pack_exception, pickle_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runtime.child_side.far_arguments import Call, Kept, Key, Outcome
    from runtime.processes.topology import Topology
    from runtime.tensors.tensor import Tensor

MOST_AT_ONCE = 256
"""Tasks that may travel to a host together. A task never waits for others: those that are there travel."""

_CODES: dict[str, int] = _core.CODES
_KIND_SERIALIZED = 2


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
        self._transfer = ""  # the hashid of transfers

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
            tasks: the fields of _Task of each.
        """
        ends: list[Callable[[], Any]] = []
        begun: list[_Begun] = []
        for given in tasks:
            task = _Task(*given)
            if task.hashid == self._transfer:
                ends.append(self._move(task))
                continue
            one = _Begun(task)
            ends.append(one.end)
            if one.error is None:
                begun.append(one)
        if begun:
            self._or_end(lambda: _run(begun, self._tasks))
        return ends

    def _move(self, task: _Task) -> Callable[[], Any]:
        """Brings the content of a tensor to this machine, or drops it; see runtime/hosting/transfer.py."""
        (tensor,), (how,) = task.tensors, task.scalars
        content, lost = self._or_end(lambda: self._tasks.call("move", far_arguments.key_of(task.run, tensor), how))
        if lost:
            return functools.partial(_raise, _lost_content(tensor, lost))
        if content is not None:
            far_arguments.fill(tensor, content)
        return _nothing

    def close(self) -> None:
        """Ends the host's Worker and then the host."""
        self._or_end(lambda: self._control.call("close"))

    def _or_end(self, work: Callable[[], Any]) -> Any:
        """The answer of the hosting server; without one, the host is lost, and this process ends at once."""
        try:
            return work()
        except WireClosed:
            _end()


class _Task(NamedTuple):
    """A task as NodeHost gives it."""

    hashid: str
    tensors: list[Tensor]
    tags: list[int]
    scalars: list[int]
    block_count: int
    keeps: bool
    """Whether what it writes may stay on the host."""
    run: int


class _Begun:
    """A task on its way to the host."""

    def __init__(self, task: _Task) -> None:
        self._tensors = task.tensors
        self._keeps = task.keeps
        self._run = task.run
        self._outcome: Outcome | None = None
        self._large: list[Any] = []
        self.error: BaseException | None = None
        self.call: Call | None = None
        try:
            self.call = far_arguments.pack(*task[:-2])
        except ConfigurationError as error:
            self.error = error

    def keys(self, places: list[int]) -> list[Key | None]:
        """The keys of these arguments; None where the content may not stay on a host."""
        return [far_arguments.key_of(self._run, self._tensors[place]) if self._keeps else None for place in places]

    def kept(self, places: list[int]) -> list[Kept | None]:
        """What stays on the host of these arguments; None where the content may not."""
        sizes = [self._tensors[place].nbytes for place in places]
        return [key and far_arguments.Kept(key, size) for key, size in zip(self.keys(places), sizes, strict=True)]

    def contents(self, away: Iterator[str | bool], keys: list[Key | None]) -> list[Any]:
        """The large contents that it reads: each a key if it stays on a host, else the elements.

        Args:
            away: for each, whether it stays on a host; the name of the machine if that was lost.
        """
        contents: list[Any] = []
        for place, key, where in zip(self.call.large_sent if self.call else [], keys, away, strict=False):
            if isinstance(where, str):
                self.error = _lost_content(self._tensors[place], where)
            contents.append(key if where else far_arguments.content_of(self._tensors[place]))
        return contents

    def ended(self, outcome: Outcome, large: list[Any]) -> None:
        """Keeps what came back."""
        self._outcome, self._large = outcome, large

    def end(self) -> Any:
        """The value of the task, once it has ended; its outputs are then in its tensors, unless they stay away."""
        if self.error is not None:
            raise self.error
        if self._outcome is None or self.call is None:
            raise RuntimeError("the task has not ended")
        if self._outcome.code != _CODES["ok"]:
            raise RaisedThere(bytes(self._outcome.payload))
        far_arguments.store(self.call, self._tensors, self._outcome, iter(self._large))
        return pickle.loads(self._outcome.payload, buffers=self._outcome.buffers)


def _run(tasks: list[_Begun], wire: Wire) -> None:
    """Sends tasks to the host in one message, and receives what they came to. Raises WireClosed."""
    reads = [task.keys(task.call.large_sent) for task in tasks if task.call]
    keys = [key for keys in reads for key in keys]
    away = iter(wire.call("away", keys) if any(keys) else [False] * len(keys))
    contents = [task.contents(away, keys) for task, keys in zip(tasks, reads, strict=True)]
    able = [(task, given) for task, given in zip(tasks, contents, strict=True) if task.error is None]
    calls = [task.call for task, _ in able if task.call]
    if not calls:
        return
    kept = [one for task, _ in able if task.call for one in task.kept(task.call.large_written)]
    packed, *written = wire.call("run", pickle.dumps((calls,)), [one for _, given in able for one in given], kept)
    left = iter(written)
    for (task, _), call, outcome in zip(able, calls, pickle.loads(packed), strict=True):
        task.ended(outcome, [next(left) for _ in call.large_written])


def _lost_content(tensor: Tensor, machine: str) -> WorkerLost:
    shape = " x ".join(map(str, tensor.shape))
    return WorkerLost(
        f"the content of a tensor ({tensor.dtype}, {shape}) was on {machine}, which was lost; run its producer again",
        operation="run",
    )


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
