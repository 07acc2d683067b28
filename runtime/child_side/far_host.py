"""The far side of a hosted node: the object that an engine keeps on another machine, in which the code of a node runs.

Its Worker is that of a local node, and so are the checks of each callable: the bytes that arrive are described and
hashed again here. The gateway on the driver's machine (runtime/child_side/gateway.py) calls these methods.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from runtime import _core
from runtime.child_side import far_arguments
from runtime.child_side.far_arguments import Outcome
from runtime.child_side.kept_inputs import KeptInputs
from runtime.child_side.node_worker import NodeLoader
from runtime.failure import native_errors
from runtime.hosting.door import WELL, Refusal
from runtime.hosting.facts import Facts, facts_of_this_process
from runtime.identity import compute_callable_hashid
from runtime.options import CallConfig
from runtime.pickles.outcomes import pack_exception, pickle_value
from runtime.tensors.task_args import TensorArgs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.child_side.far_arguments import Arrived, Call
    from runtime.child_side.kept_inputs import Name
    from runtime.child_side.node_worker import Loaded
    from runtime.processes.topology import Topology
    from runtime.tensors.tensor import Tensor

_CODES: dict[str, int] = _core.CODES
_OK = _CODES["ok"]
_MISMATCH = _CODES["hashid_descriptor_mismatch"]
_KIND_SERIALIZED = 2


class FarHost:
    """A node's Worker on this machine. One thread at a time calls its methods, except those in CONTROL."""

    def __init__(self) -> None:
        self._loader: NodeLoader | None = None
        self._loaded: dict[str, Loaded] = {}
        self._inputs = KeptInputs(1 << 62)
        self._busy = threading.Lock()  # close() does not end the Worker beneath a task

    def hello(self, search_path: Sequence[str]) -> Facts:
        """What this host is. Folders of the driver's ``search_path`` that exist here are searched here, too."""
        sys.path[:] = [*(path for path in search_path if path not in sys.path and os.path.isdir(path)), *sys.path]  # noqa: PTH112
        return facts_of_this_process()

    def open(self, topology: Topology, seconds: float) -> Refusal:
        """Starts the node's Worker within ``seconds``."""
        loader = NodeLoader(topology, time.monotonic_ns() + int(seconds * 1e9))
        try:
            loader.open()
        except native_errors() as error:
            return error.args[0], str(error.args[1])
        self._loader = loader
        self._inputs = KeptInputs(topology.options.memory_limit_bytes)
        return WELL

    def install(self, kind: int, hashid: str, payload: bytes) -> Refusal:
        """Checks that a callable's bytes have this name, and installs it in the Worker."""
        loader = self._opened()
        payload = bytes(payload)
        try:
            plain = _core.open_envelope(payload) if kind == _KIND_SERIALIZED else payload
            described = (
                _core.python_serialized_descriptor(plain)
                if kind == _KIND_SERIALIZED
                else loader.describe(kind, payload)
            )
            if compute_callable_hashid(described) != hashid:
                return _MISMATCH, "the received bytes do not hash to the requested digest"
            self._loaded[hashid] = loader.load(kind, plain)
        except native_errors() as error:
            return error.args[0], str(error.args[1])
        except Exception as error:  # an import of the user's module, or unpickling, may raise anything
            return _CODES["prepare_failed"], f"{type(error).__name__}: {error}"
        return WELL

    def remove(self, hashid: str) -> None:
        """Removes a callable from the Worker; a closed Worker has none."""
        loaded = self._loaded.pop(hashid, None)
        if loaded is not None and self._loader is not None:
            self._loader.unload(loaded)

    def run(self, calls: list[Call], *large: Any) -> tuple[Any, ...]:
        """Runs tasks one after the other. Returns what they came to (see far_arguments.packed), and then every large
        content that they wrote."""
        outcomes: list[Outcome] = []
        results: list[Any] = []
        dropped: list[Name] = []
        given = far_arguments.arrived(calls, large)
        with self._busy:
            for number, call in enumerate(calls):
                try:
                    tensors = self._unpacked(calls, number, given, dropped, results) if call.pieces else []
                    outcome, written = self._call(call, tensors)
                except BaseException as error:  # the task fails, not its host
                    outcome = Outcome(_CODES["python_exception"], pack_exception(error), [], [])
                    written = [None] * len(call.large_written)
                outcomes.append(outcome)
                results += written
                if call.pieces:
                    dropped += self._inputs.make_room(functools.partial(_needed, calls, number + 1, given))
        if kept := [name for call in calls if call.pieces for name in call.kept]:
            dropped += self._inputs.lacks(kept)
        return far_arguments.packed(outcomes, dropped, self._inputs.nbytes), *results

    def forget(self, runs: Sequence[int]) -> int:
        """Drops the inputs of runs that have ended; returns the bytes of all others."""
        return self._inputs.forget(runs)

    def _unpacked(
        self, calls: Sequence[Call], number: int, given: Arrived, dropped: list[Name], results: list[Any]
    ) -> list[Tensor]:
        """The tensors of one of these calls. If there is no memory for them, inputs are dropped, and what earlier calls
        wrote is moved to other memory."""
        pool = self._opened().worker._session.pool
        with contextlib.suppress(MemoryError):
            return far_arguments.unpack(pool, calls, number, given, self._inputs)
        dropped += self._inputs.make_room(functools.partial(_needed, calls, number, given), 0)
        results[:] = [content if content is None else bytes(content) for content in results]
        return far_arguments.unpack(pool, calls, number, given, self._inputs)

    def _call(self, call: Call, tensors: list[Tensor]) -> tuple[Outcome, list[Any]]:
        worker = self._opened().worker
        loaded = self._loaded[call.hashid]
        if loaded.function is None:
            raise TypeError("a node runs Python callables; a chip callable is for its chips")
        given = TensorArgs(far_arguments.passed_on(call, tensors) if tensors else [], call.scalars)
        pickled = pickle_value(worker.run(loaded.function, given, _config(call.block_count)))
        payload, buffers = pickled if isinstance(pickled, tuple) else (pickled, ())
        small, contents = far_arguments.written(call, tensors) if tensors else ([], [])
        return Outcome(_OK, payload, list(map(pickle.PickleBuffer, buffers)), small), contents

    def take_trace(self) -> bytes:
        """The trace of the Worker, with the times of this machine's clock."""
        return self._opened().take_trace()

    def clock(self) -> int:
        """This machine's CLOCK_MONOTONIC, in nanoseconds. The answer also shows that the host lives."""
        return time.monotonic_ns()

    def close(self) -> None:
        """Ends the Worker."""
        with self._busy:
            if self._loader is not None:
                self._loader.worker.close()
                self._loader = None

    def _opened(self) -> NodeLoader:
        if self._loader is None:
            raise RuntimeError("the Worker of this host is not open")
        return self._loader


@functools.lru_cache
def _config(block_count: int) -> CallConfig:
    return CallConfig(block_count=block_count)


def _needed(calls: Sequence[Call], first: int, given: Arrived) -> set[Name]:
    """The inputs of the ``first`` call and the next ones that only this host has: those in the message could be read
    from it again."""
    return {name for call in calls[first:] for name in call.kept if name not in given.inputs}
