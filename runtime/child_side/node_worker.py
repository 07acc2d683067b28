"""A node child: a Python process with a Worker of its own, which runs orchestration functions for the Worker above.

The node inherits every callable that is registered above: it checks and loads each one again, and its nested Worker
installs it in all children. So a handle that arrives within a function can be used in the node.
"""

from __future__ import annotations

import functools
import pickle
import sys
import time
from typing import TYPE_CHECKING, Any

from runtime import _core
from runtime.child_side.descriptions import KIND_CHIP, describe
from runtime.child_side.sub_worker import SWITCH_INTERVAL, Loader
from runtime.chips.chip_callable import ChipCallable
from runtime.errors import CallringError
from runtime.failure import native_errors
from runtime.options import CallConfig
from runtime.pickles.outcomes import pack_exception, pickle_value
from runtime.registration.serialize import Serialized, serialize, serialized_pickle
from runtime.tensors.task_args import TensorArgs
from runtime.tensors.tensor import Tensor
from runtime.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.processes.topology import Topology

_CODES: dict[str, int] = _core.CODES
_KIND_SERIALIZED = 2

_SHARE_OF_START = 0.9
"""The part of a node's start time that it grants to its children. In the rest, it reports a child that was late."""


def main(control: int, setup: int, deadline_ns: int) -> int:
    """Serves the Worker above, over ``control``, until it sends shutdown; returns the exit status.

    Args:
        setup: descriptor of the sealed memory that contains the nested Worker's topology, and for a node on another
            machine the door to it.
        deadline_ns: when every process below must be ready (CLOCK_MONOTONIC).
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    topology, door = pickle.loads(_core.Payload.adopt(setup).data)
    if door is not None:
        from runtime.child_side import gateway  # imported late: most nodes are on this machine

        return gateway.main(control, topology, door, deadline_ns)
    loader = NodeLoader(topology, deadline_ns)
    try:
        host = _core.NodeHost(control, loader)
    except native_errors():
        return 1  # the Worker above has received the reason, or has ended
    with loader.worker as worker:

        def run(
            loaded: Loaded, tensors: list[Tensor], _tags: Any, scalars: list[int], block_count: int, *_: Any
        ) -> Any:
            if loaded.function is None:
                raise TypeError("a node runs Python callables; a chip callable is for its chips")
            return worker.run(loaded.function, TensorArgs(tensors, scalars), CallConfig(block_count=block_count))

        def begin(tasks: list[tuple[Any, ...]]) -> list[Callable[[], Any]]:
            return [functools.partial(run, *task) for task in tasks]

        host.serve(worker._session.pool, begin, pickle_value, pack_exception, most=1)
    return 0


class Loaded:
    """One callable in this node: called here, and inherited by the nested Worker."""

    __slots__ = ("function", "hashid")

    def __init__(self, function: Callable[..., Any] | None, hashid: str) -> None:
        self.function = function
        self.hashid = hashid


class NodeLoader:
    """Loads and removes the callables of a node. Called on the control thread."""

    kinds = (KIND_CHIP, *Loader.kinds)
    worker: Worker

    def __init__(self, topology: Topology, deadline_ns: int) -> None:
        self._topology = topology
        self._deadline_ns = deadline_ns

    def open(self) -> None:
        """Starts the nested Worker. Raises NativeError with the first cause."""
        try:
            self.worker = Worker._nested(self._topology)
            seconds = (self._deadline_ns - time.monotonic_ns()) / 1e9
            self.worker._session.start(max(0.0, seconds * _SHARE_OF_START))
        except CallringError as error:
            raise native_errors()(_CODES["worker_lost"], error.args[0]) from None

    def describe(self, kind: int, payload: bytes) -> bytes:
        """The descriptor of a blob on this node's platform, or of the source that this process finds."""
        return describe(self._topology, kind, payload)

    def load(self, kind: int, payload: bytes) -> Loaded:
        """Loads a callable and installs it below. Raises NativeError if a process below refuses it."""
        function = None if kind == KIND_CHIP else Loader.load(kind, payload)
        serialized = self._serialized(kind, payload, function)
        self.worker._session.registry.inherit(serialized)
        return Loaded(function, serialized.hashid)

    def take_trace(self) -> bytes:
        """The trace that the nested Worker, and the Workers below it, recorded since the last call."""
        return pickle.dumps(self.worker.trace())

    def unload(self, loaded: Loaded) -> None:
        """Removes a callable from the nested Worker; if that is closed, it has none."""
        if not self.worker._session.engine.closing:
            self.worker._session.registry.disinherit(loaded.hashid)

    def _serialized(self, kind: int, payload: bytes, function: object) -> Serialized:
        if kind == _KIND_SERIALIZED:
            return serialized_pickle(payload, function)
        target = ChipCallable.from_bytes(payload) if kind == KIND_CHIP else payload.decode()
        return serialize(target, platform=self._topology.platform, runtime=self._topology.runtime)
