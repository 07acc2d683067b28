"""Session: the state that a Worker shares with all objects that it returns, and the checks that it is usable.

Orchestrators, tasks, runs and graphs refer to the session, not to the Worker, which is a layer above them. The engine
is closed when the session is garbage-collected: a task or a run that the user keeps also keeps the children alive, even
if its Worker was dropped.
"""

from __future__ import annotations

import functools
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime import _core, failure
from runtime.errors import ConfigurationError, OutOfDescriptors, StartError, WorkerClosed
from runtime.failure import Failures, native_errors, translate
from runtime.numbers import whole
from runtime.pickles import main_script
from runtime.processes import forked, spawning
from runtime.processes.hostings import Hostings
from runtime.processes.run_ends import RunEnds
from runtime.processes.topology import NODE_LEVEL, Topology
from runtime.registration.refusals import start_failed
from runtime.registration.registry import Registry

if TYPE_CHECKING:
    from runtime.hosting.cluster import Cluster
    from runtime.identity import CallableHandle

_OF_OTHERS = ("moved", "forked")
"""States of a Worker that this process must not close: it was added to another Worker, or the parent owns it."""


class Session:
    """Engine, memory, callables and state of one Worker.

    Args:
        topology: its children.
        nested: whether it is inside a node; it then accepts the handles of the Workers above it.

    Raises:
        OutOfMemory, OutOfDescriptors: the process has too little memory, or too few descriptors.
    """

    def __init__(self, topology: Topology, *, nested: bool = False) -> None:
        self.topology = topology
        self.options = topology.options
        self.state = "new"
        """``"new"``, ``"ready"``, ``"closed"``, or one of _OF_OTHERS."""
        self.codes: dict[str, int] = _core.CODES
        self.pool = _core.MemoryPool(self.options.arena_bytes, self.options.memory_limit_bytes)
        try:
            with failure.naming_lack_of_descriptors(OutOfDescriptors, "make a Worker"):
                self.engine = _core.Engine(spawning.engine_options(topology), self.pool)
        except native_errors() as error:
            raise translate(error, operation="make a Worker") from None
        self.registry = Registry(self.engine, platform=topology.platform, runtime=topology.runtime, nested=nested)
        self.failures = Failures(self.codes, self._child_name)
        self.placements = {child: index for index, child in enumerate(topology.next_level)}
        """The index of each chip, or node, among the children, by its id."""
        self.hosting: Hostings | None = None
        """The hosting servers of a started Worker."""
        self.run_ends: RunEnds | None = None
        self.has_hosts = False
        """Whether a started Worker has nodes on other machines."""
        self._transfer: CallableHandle | None = None
        self._transferring = threading.Lock()  # guards _transfer
        self._before_nodes: list[CallableHandle] = []  # registered while nodes could still be added
        self._lifecycle = threading.Lock()
        self._finalizer = weakref.finalize(self, self.engine.close, 0.0)
        forked.forget_in_fork(self)

    # ---- life ------------------------------------------------------------------------------------------------------

    def start(self, timeout: float) -> None:
        """Starts every child within ``timeout`` seconds; see Worker.init."""
        main_script.refuse_while_imported("init")
        with self._lifecycle:
            if self.state == "ready":
                return
            if self.state == "closed":
                raise WorkerClosed("this Worker was closed and cannot start again; make a new one", operation="init")
            self.require_open("init")
            self.topology.require_children()
            for handle in self._before_nodes:
                self.registry.require_runner(handle, self._require_runner)
            self._before_nodes = []
            try:
                with failure.naming_lack_of_descriptors(StartError, "init"):
                    self._start_children(timeout)
            except native_errors() as error:
                self._end(0.0)
                raise start_failed(error, self.engine.refusal()) from None
            except BaseException:
                self._end(0.0)
                raise
            self.state = "ready"

    def _start_children(self, timeout: float) -> None:
        failure.load()
        self.hosting = Hostings(self.topology)
        self.has_hosts = bool(self.hosting.doors)
        self.hosting.wait_until_connected()
        if self.has_hosts:
            self.run_ends = RunEnds(self.engine, self.hosting)
        specs = spawning.child_specs(self.topology, self.hosting.doors)
        start = functools.partial(self.engine.start, specs, timeout)
        self.hosting.start(start) if self.has_hosts else start()

    def close(self, budget: float) -> list[str]:
        """Lets tasks end for ``budget`` seconds, then ends all children. Returns the names of the killed ones."""
        with self._lifecycle:
            return [] if self.state in _OF_OTHERS else self._end(budget)

    def _end(self, budget: float) -> list[str]:
        # After an interrupt between any two of these lines, the next close() or the finalizer still ends the Worker.
        self.state = "closed"
        forced = self.engine.close(budget)
        if self.run_ends is not None:
            self.run_ends.close()
        if self.hosting is not None:
            self.hosting.close()
        self._finalizer.detach()
        return forced

    def add_node(self, child: Session, on: Cluster) -> int:
        """Moves ``child`` below this session, as a node. Returns the node's id. See Worker.add_worker."""
        level, below = self.topology.level, child.topology.level
        if level <= NODE_LEVEL:
            raise ConfigurationError(f"add_worker: a level {level} Worker has no nodes; make it level=4")
        if below != level - 1:
            raise ConfigurationError(
                f"child: {child!r} is of level {below}; a level {level} Worker has nodes of level {level - 1}"
            )
        with self._lifecycle:
            if self.state != "new":
                raise ConfigurationError(f"add_worker: {self!r} takes no more nodes; add them before init()")
            moved = replace(child._moved_below(self.topology), on=on if on.is_remote else None)
            self.topology = replace(self.topology, nodes=(*self.topology.nodes, moved))
            node = len(self.topology.nodes) - 1
            self.placements[node] = node
        return node

    def _moved_below(self, above: Topology) -> Topology:
        """Turns this Worker into a node of ``above``. Locks are taken from higher to lower levels: no deadlock."""
        with self._lifecycle:
            if self.state != "new":
                known = {"ready": "it is started", "moved": "it was added to a Worker already"}
                raise ConfigurationError(f"child: {self!r}: {known.get(self.state, 'it is closed')}")
            for name in ("platform", "runtime"):
                mine, theirs = getattr(self.topology, name), getattr(above, name)
                if mine != theirs:
                    raise ConfigurationError(f"child: its {name} is {mine!r}, that of the Worker above is {theirs!r}")
            if self.registry.used or self.pool.bytes_in_use:
                raise ConfigurationError(
                    "child: it has callables or tensors; make them with the Worker to which it is added, which shares "
                    "them with all Workers below"
                )
            if self.options.trace:
                raise ConfigurationError("child: set WorkerOptions.trace only for the outermost Worker")
            self.topology.require_children()
            self._end(0.0)
            self.state = "moved"
        return self.topology

    def leave_to_parent(self) -> None:
        """Called in a forked process: from now on the parent's Worker can be neither used nor closed here."""
        self.state = "forked"
        self._finalizer.detach()
        if self.hosting is not None:
            self.hosting.leave_to_parent()
        if self.run_ends is not None:
            self.run_ends.leave_to_parent()
        self._lifecycle = threading.Lock()  # a thread that does not exist here may hold the old one
        self.engine.leave_to_parent()
        self.engine = forked.EngineOfParent(self)  # type: ignore[assignment]

    # ---- callables -------------------------------------------------------------------------------------------------

    def register(self, target: object, name: str | None) -> CallableHandle:
        """Names a callable and installs it in every child that can run it; see Worker.register."""
        self.require_open("register")
        if self.topology.level <= NODE_LEVEL or self.state != "new":
            return self.registry.register(target, self._require_runner, name)
        handle = self.registry.register(target, lambda _: None, name)  # nodes that are added later may run the callable
        self._before_nodes.append(handle)
        return handle

    def transfer_handle(self) -> CallableHandle:
        """The callable of tasks that bring contents from hosts; registered when it is needed first."""
        from runtime.hosting import transfer  # imported late: most Workers are on one machine

        with self._transferring:
            if self._transfer is None:
                self._transfer = self.registry.register(transfer.TARGET, self._require_runner, None)
        return self._transfer

    def watch_end(self, run: _core.Run) -> None:
        """Has the hosts free what they keep for ``run`` when it has ended."""
        if self.run_ends is not None:
            self.run_ends.watch(run)

    def _require_runner(self, runs_on: str) -> None:
        topology = self.topology
        if runs_on == "chip" and not topology.has_chips:
            raise ConfigurationError("register: a chip callable, but this Worker has no chips")
        if runs_on == "sub" and not topology.sub_workers and not topology.nodes:
            raise ConfigurationError("register: a Python callable, but this Worker has no sub-workers (sub_workers=0)")

    # ---- whether it can be used ------------------------------------------------------------------------------------

    def require_own(self, operation: str) -> None:
        """Raises ConfigurationError if the Worker was added to another, WorkerClosed if the parent process owns it."""
        if self.state == "moved":
            raise ConfigurationError(f"{operation}: {self!r} was added to a Worker; use that one", operation=operation)
        if self.state == "forked":
            forked.refuse(self, operation)

    def require_open(self, operation: str) -> None:
        """As require_own, and raises WorkerClosed if the Worker is closed."""
        self.require_own(operation)
        if self.state == "closed":
            raise WorkerClosed("this Worker is closed", operation=operation)

    def require_ready(self, operation: str) -> None:
        """As require_open, and raises WorkerClosed if the Worker was not started."""
        if self.state != "ready":
            self.require_open(operation)
            raise WorkerClosed("this Worker was not started: call init(), or use a with block", operation=operation)

    def memory(self, operation: str) -> _core.MemoryPool:
        """The memory of tensors. Raises as require_own."""
        self.require_own(operation)
        return self.pool

    def require_sub_workers(self) -> None:
        """Raises ConfigurationError if there are no sub-workers."""
        if not self.topology.sub_workers:
            raise ConfigurationError("submit_sub: this Worker has no sub-workers (sub_workers=0)")

    def placement_of(self, worker: int) -> int:
        """The index of the chip, or node, with the id ``worker``. Raises ConfigurationError if there is none."""
        number = whole(worker)
        if number is None or number not in self.placements:
            kind = "node" if self.topology.level > NODE_LEVEL else "chip"
            known = ", ".join(map(str, self.placements)) or "none"
            raise ConfigurationError(f"worker={worker!r}: no such {kind}; this Worker has {known}")
        return self.placements[number]

    def _child_name(self, index: int) -> str:
        return self.topology.child_name(index)

    def __repr__(self) -> str:
        """Names the Worker: level, children, platform and state."""
        topology = self.topology
        return f"<Worker level {topology.level}: {topology}, {topology.platform}, {self.state}>"
