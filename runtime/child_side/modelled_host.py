"""A far side without processes, for tests with hundreds of hosts: it runs functions, but no task that they submit.

Callables are checked, loaded and removed as on a real host. A task that a function submits ends at once, with None as
its value.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from runtime import _core
from runtime.child_side.descriptions import KIND_CHIP
from runtime.child_side.far_host import FarHost
from runtime.child_side.node_worker import Loaded, NodeLoader
from runtime.child_side.sub_worker import Loader
from runtime.hosting.door import WELL, Refusal
from runtime.observe.trace import Trace
from runtime.runs.orchestration import orchestration
from runtime.tensors import tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.options import CallConfig
    from runtime.processes.topology import Topology


class ModelledHost(FarHost):
    """One host without children."""

    def open(self, topology: Topology, _seconds: float) -> Refusal:
        """Has nothing to start."""
        self._loader = _ModelledLoader(topology, 0)
        return WELL


class _ModelledLoader(NodeLoader):
    def __init__(self, topology: Topology, deadline_ns: int) -> None:
        super().__init__(topology, deadline_ns)
        self.worker: Any = _ModelledWorker(topology)

    def load(self, kind: int, payload: bytes) -> Loaded:
        """Loads a callable for this process alone."""
        return Loaded(None if kind == KIND_CHIP else Loader.load(kind, payload), "")

    def unload(self, loaded: Loaded) -> None:
        """Nothing has been installed below."""


class _ModelledWorker:
    """What FarHost uses of a Worker."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._session = self
        self.pool = _core.MemoryPool(1 << 20, 1 << 40)

    def run(self, function: Any, args: Any, config: CallConfig) -> Any:
        """Calls the function."""
        orchestrate, taken = orchestration(function, self._topology)
        return orchestrate(*(_ModelledOrchestrator(self._topology, self.pool), args, config)[:taken])

    def trace(self) -> Trace:
        """No task ran."""
        return Trace()

    def close(self) -> None:
        """Nothing is open."""


class _ModelledTask:
    """A task that has ended at once."""

    def result(self, _timeout: float | None = None) -> None:
        """Its value: None."""

    def done(self) -> bool:
        """True."""
        return True


class _ModelledOrchestrator:
    def __init__(self, topology: Topology, pool: _core.MemoryPool) -> None:
        self.topology = topology
        self._pool = pool

    def submit_next_level(self, *_: Any, **__: Any) -> _ModelledTask:
        """Ends at once."""
        return _ModelledTask()

    submit_sub = submit_next_level_group = submit_sub_group = submit_next_level

    def submit_many(self, _handle: Any, args_list: Any, *_: Any, **__: Any) -> list[_ModelledTask]:
        """As many ended tasks as arguments."""
        return [_ModelledTask() for _ in args_list]

    def alloc(self, shape: Any, dtype: Any = "float32") -> Any:
        """A tensor."""
        return tensor.empty(self._pool, shape, dtype)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Bounds nothing."""
        yield
