"""Worker: chips, nodes and Python sub-workers under one parent, and the callables and tensors that they share."""

from __future__ import annotations

import pickle
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from runtime import _core, forked, main_script, spawning
from runtime.children import ChildInfo
from runtime.errors import BackPressureTimeout, ConfigurationError, PartialFailureError, StartError, WorkerClosed
from runtime.failure import Failures
from runtime.graph import Graph, begin_launch
from runtime.native_errors import code_name, native_errors, translate
from runtime.numbers import whole
from runtime.options import WorkerOptions
from runtime.orchestration import GIVEN, parameters_taken
from runtime.orchestrator import Orchestrator
from runtime.platforms import require_platform
from runtime.recorder import Recorder
from runtime.registry import Registry, told_by
from runtime.run_handle import NO_RUNS, RunHandle, followed
from runtime.stats import WorkerStats
from runtime.tensor import Tensor, empty, share, zeros
from runtime.topology import CHIP_LEVEL, NODE_LEVEL, Topology, chip_ids
from runtime.trace import CoreSpan, TaskSpan, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt

    from runtime.identity import CallableHandle
    from runtime.options import CallConfig

_OF_OTHERS = ("moved", "forked")
"""States of a Worker that is not this process's to close: it was added to another, or belongs to the parent."""


class Worker:
    """Chips, nodes and Python sub-workers, started together and closed together.

    Args:
        level: 3, chips and sub-workers; 2, one chip; 4 and more, nodes (see add_worker) and sub-workers.
        chips: number of chips, with ids 0 to chips - 1.
        device_ids: ids of the chips, instead of ``chips``.
        sub_workers: number of Python sub-workers.
        platform: what the chips are, for instance ``"a2a3sim"``.
        runtime: name of the chip runtime; part of every chip callable's identity.
        options: resources, bounds and timeouts.

    Raises:
        ConfigurationError: impossible topology or value; the message names the argument.
        PlatformUnavailable: the platform needs a toolkit that is not installed.
        OutOfMemory, OutOfDescriptors: the process has none left for it.

    Example:
        >>> with Worker(level=3, chips=0, sub_workers=1) as worker:
        ...     double = worker.register(lambda args: 2 * args.scalars[0])
        ...     run = lambda o: o.submit_sub(double, TaskArgs(scalars=[21])).result()
        ...     worker.run(run)
        42
    """

    def __init__(
        self,
        level: int = NODE_LEVEL,
        *,
        chips: int | None = None,
        device_ids: Sequence[int] | None = None,
        sub_workers: int = 0,
        platform: str = "a2a3sim",
        runtime: str = "host_build_graph",
        options: WorkerOptions | None = None,
    ) -> None:
        if options is not None and not isinstance(options, WorkerOptions):
            raise TypeError(f"options is a WorkerOptions, not a {type(options).__name__}")
        topology = Topology(
            level, chip_ids(level, chips, device_ids), sub_workers, platform, runtime, options or WorkerOptions()
        )
        if level <= NODE_LEVEL:
            topology.require_children()
        require_platform(platform)
        self._assemble(topology)

    @classmethod
    def _nested(cls, topology: Topology) -> Self:
        """The Worker within a node child, which accepts the handles of the Workers above it."""
        worker = cls.__new__(cls)
        worker._assemble(topology, nested=True)
        return worker

    def _assemble(self, topology: Topology, *, nested: bool = False) -> None:
        self.level = topology.level
        self.chip_ids = topology.chip_ids
        self.sub_workers = topology.sub_workers
        self.platform = topology.platform
        self.runtime = topology.runtime
        self.options = options = topology.options
        self._topology = topology
        self._codes: dict[str, int] = _core.CODES
        self._pool = _core.MemoryPool(options.arena_bytes, options.memory_limit_bytes)
        try:
            self._engine = _core.Engine(spawning.engine_options(topology), self._pool)
        except native_errors() as error:
            raise translate(error, operation="make a Worker") from None
        self._registry = Registry(self._engine, platform=self.platform, runtime=self.runtime, nested=nested)
        self._failures = Failures(self._codes, self._child_name)
        self._placements = {chip: index for index, chip in enumerate(self.next_level)}
        self._lifecycle = threading.Lock()
        self._before_nodes: list[CallableHandle] = []  # registered when nodes could still be added
        self._state = "new"
        self._finalizer = weakref.finalize(self, self._engine.close, 0.0)
        forked.forget_in_fork(self)

    # ---- what it consists of ---------------------------------------------------------------------------------------

    @property
    def topology(self) -> Topology:
        """What this Worker consists of."""
        return self._topology

    @property
    def next_level(self) -> tuple[int, ...]:
        """What ``submit_next_level`` takes as ``worker``: ids of the chips, or from level 4 on of the nodes."""
        return tuple(range(len(self._topology.nodes))) if self.level > NODE_LEVEL else self.chip_ids

    def add_worker(self, child: Worker) -> int:
        """Moves ``child`` below this Worker, as a node child: a process that hosts it. Level 4 and up, before init().

        The child is no Worker of its own from then on: what it was asked to be is started, used and closed through
        this one.

        Args:
            child: not started, of the level below, of the same platform and runtime, without callables or tensors.

        Returns:
            The node's id: 0 for the first, then 1, and so on.

        Raises:
            TypeError: not a Worker.
            ConfigurationError: a child that cannot be moved here, and why; or this Worker has been started.
        """
        if not isinstance(child, Worker):
            raise TypeError(f"add_worker takes a Worker, not a {type(child).__name__}")
        if self.level <= NODE_LEVEL:
            raise ConfigurationError(f"add_worker: a level {self.level} Worker has no nodes; make it level=4")
        if child.level != self.level - 1:
            raise ConfigurationError(
                f"child: {child!r} is of level {child.level}; a level {self.level} Worker has nodes of level "
                f"{self.level - 1}"
            )
        with self._lifecycle:
            if self._state != "new":
                raise ConfigurationError(f"add_worker: {self!r} takes no more nodes; add them before init()")
            below = child._moved_below(self._topology)
            self._topology = replace(self._topology, nodes=(*self._topology.nodes, below))
            node = len(self._topology.nodes) - 1
            self._placements[node] = node
        return node

    def _moved_below(self, above: Topology) -> Topology:
        """Gives up being a Worker of its own. Levels fall from parent to child: no two wait for each other."""
        with self._lifecycle:
            if self._state != "new":
                known = {"ready": "it is started", "moved": "it was added to a Worker already"}
                raise ConfigurationError(f"child: {self!r}: {known.get(self._state, 'it is closed')}")
            for name in ("platform", "runtime"):
                mine, theirs = getattr(self._topology, name), getattr(above, name)
                if mine != theirs:
                    raise ConfigurationError(f"child: its {name} is {mine!r}, that of the Worker above is {theirs!r}")
            if self._registry.used or self._pool.bytes_in_use:
                raise ConfigurationError(
                    "child: has callables or tensors; make them with the Worker that it is added to, which gives them "
                    "to all below"
                )
            if self.options.trace:
                raise ConfigurationError("child: WorkerOptions.trace is for the Worker at the top")
            self._topology.require_children()
            self._end(0.0)
            self._state = "moved"
        return self._topology

    # ---- life ------------------------------------------------------------------------------------------------------

    def init(self) -> Self:
        """Starts every child; returns when all are ready and have every registered callable.

        Raises:
            StartError: a child did not start; nothing is left behind.
            PartialFailureError: a child refused a callable that was registered before; likewise.
            ConfigurationError: at level 4 and up, a callable was registered that no node and no sub-worker can run.
            WorkerClosed: the Worker was closed; it is never revived.
        """
        return self._start(self.options.start_timeout)

    def _start(self, timeout: float) -> Self:
        main_script.refuse_while_imported("init")
        with self._lifecycle:
            if self._state == "ready":
                return self
            if self._state == "closed":
                raise WorkerClosed("this Worker is closed for good; make a new one", operation="init")
            self._require_open("init")
            self._topology.require_children()
            for handle in self._before_nodes:
                self._registry.require_runner(handle, self._require_runner)
            self._before_nodes = []
            try:
                self._engine.start(spawning.child_specs(self._topology), timeout)
            except native_errors() as error:
                self._end(0.0)
                raise self._start_error(*error.args) from None
            except BaseException:
                self._end(0.0)
                raise
            self._state = "ready"
        return self

    def _start_error(self, code: int, message: str) -> Exception:
        refusal = self._engine.refusal()
        if refusal is None:
            return StartError(f"{message} ({code_name(code)})", operation="init")
        digest, label, child, why, text = refusal
        told = told_by([(child, why, text)])
        failed = "; ".join(f"{target}: {answer}" for target, answer in told.items() if answer != "ok")
        return PartialFailureError(
            f"callable {label} was not registered: {failed}",
            hashid=f"sha256:{digest.hex()}",
            worker=child,
            operation="init",
            results=told,
        )

    def close(self) -> list[str]:
        """Ends the Worker: drains for ``options.close_timeout`` seconds, then ends what is left. Safe to repeat.

        Returns:
            Names of the children that had to be ended by force.
        """
        with self._lifecycle:
            return [] if self._state in _OF_OTHERS else self._end(self.options.close_timeout)

    def _end(self, budget: float) -> list[str]:
        # An interrupt between any two of these lines leaves a Worker that the next close(), or its finalizer, ends.
        self._state = "closed"
        forced = self._engine.close(budget)
        self._finalizer.detach()
        return forced

    def __enter__(self) -> Self:
        """Starts the Worker."""
        return self.init()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Closes the Worker; without draining when an exception ends the block."""
        if kind is None:
            self.close()
        else:
            with self._lifecycle:
                if self._state not in _OF_OTHERS:
                    self._end(0.0)

    # ---- callables -------------------------------------------------------------------------------------------------

    def register(self, target: object, *, name: str | None = None) -> CallableHandle:
        """Names a callable and installs it in every child that can run it; before init(), at init().

        Args:
            target: a ChipCallable; any Python callable that can be pickled; ``"module:qualname"`` or a function
                marked with ``by_source``, identified by its module's source.
            name: what messages call it; default: its own name. Not part of its identity.

        Returns:
            A new handle with a lifetime of its own; equal callables share one hashid.

        Raises:
            TypeError: not a callable. Whatever pickling raises; then nothing has changed.
            PartialFailureError: a child refused, or no child is left: all that could run it were given up. Nothing
                stays installed. A child that dies meanwhile, or is replaced because it does not answer, is no failure:
                its replacement has the callable before it takes work.
            ConfigurationError: no child of this Worker could ever run it. At level 4 and up init() raises it, as
                add_worker may follow.
            RegisterTombstoneError, SlotExhaustedError, WorkerClosed.
        """
        self._require_open("register")
        if self.level <= NODE_LEVEL or self._state != "new":
            return self._registry.register(target, self._require_runner, name)
        handle = self._registry.register(target, lambda _: None, name)  # nodes that are added later may run it
        self._before_nodes.append(handle)
        return handle

    def unregister(self, handle: CallableHandle) -> None:
        """Releases a handle. The last handle of a callable removes it, once accepted tasks that use it have ended.

        Raises:
            HandleForeignError, HandleStaleError, UnregisterTombstoneError, WorkerClosed.
        """
        self._require_open("unregister")
        self._registry.unregister(handle)

    def _require_runner(self, runs_on: str) -> None:
        topology = self._topology
        if runs_on == "chip" and not topology.has_chips:
            raise ConfigurationError("register: a chip callable, but this Worker has no chips")
        if runs_on == "sub" and not topology.sub_workers and not topology.nodes:
            raise ConfigurationError("register: a Python callable, but this Worker has no sub-workers (sub_workers=0)")

    # ---- tensors ---------------------------------------------------------------------------------------------------

    def empty(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        """A tensor in shared memory whose contents are undefined. Raises MemoryError, TypeError (dtype)."""
        return empty(self._memory("empty"), shape, dtype)

    def zeros(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        """A tensor of zeros in shared memory. Raises MemoryError, TypeError (dtype)."""
        return zeros(self._memory("zeros"), shape, dtype)

    def share(self, array: npt.NDArray[Any] | np.generic) -> Tensor:
        """A tensor in shared memory with a copy of ``array``. Raises MemoryError, TypeError (dtype)."""
        return share(self._memory("share"), array)

    def _memory(self, operation: str) -> _core.MemoryPool:
        self._require_own(operation)
        return self._pool

    # ---- running ---------------------------------------------------------------------------------------------------

    def run(
        self, target: Callable[..., Any] | CallableHandle, args: Any = None, config: CallConfig | None = None
    ) -> Any:
        """Runs an orchestration function (from level 3 on) or a chip callable (level 2) to its end.

        Args:
            target: from level 3 on a function, called as ``target(orchestrator, args, config)`` with as many of the
                three as it takes; at level 2 a handle.
            args: passed on; at level 2 the TaskArgs.
            config: likewise.

        Returns:
            What the orchestration function returned.

        Raises:
            The first error of the run.
        """
        handle = self.submit(target, args, config)
        try:
            return handle.result()
        except KeyboardInterrupt:
            handle.cancel()
            raise

    def submit(
        self,
        target: Callable[..., Any] | CallableHandle,
        args: Any = None,
        config: CallConfig | None = None,
        *,
        after: Iterable[RunHandle] = NO_RUNS,
        after_any: Iterable[RunHandle] = NO_RUNS,
    ) -> RunHandle:
        """Begins a run: the orchestration function runs here, on the caller's thread, its tasks already execute.

        Runs are independent: two that use the same tensor are not ordered, unless one says that it follows the other.

        Args:
            target, args, config: as for run.
            after: runs of this Worker. Tasks of the new run begin only when all of these have ended, and are skipped
                if one of them failed or was cancelled.
            after_any: likewise, but however they end.

        Raises:
            ConfigurationError: ``after`` or ``after_any`` names a run of another Worker.
            What the orchestration function raises; the run is then cancelled and has ended.
            BackPressureTimeout: ``options.max_runs`` runs are under way and nothing moves.
            TypeError: not an orchestration function (from level 3 on), not a handle (level 2); not a RunHandle.
            WorkerClosed: not started, or closed.
        """
        self._require_ready("submit")
        orchestrate, taken = self._orchestration(target)
        native = self._begin_run(after, after_any)
        run = RunHandle(native, self)
        try:
            run._returned(orchestrate(*(Orchestrator(self, native), args, config)[:taken]))
        except BaseException:
            self._engine.cancel(native)
            self._engine.seal(native)
            run.wait(self.options.close_timeout)
            raise
        self._engine.seal(native)
        return run

    def capture(self, target: Callable[..., Any], args: Any = None, config: CallConfig | None = None) -> Graph:
        """Records what an orchestration function submits, with its dependencies, and runs nothing.

        A Worker that is not started captures, too: what chips would take can be studied without a process for each.

        Args:
            target: as for run, called with a Recorder; ``recorder.scalar(name, value)`` makes a scalar that launches
                may replace. Handles that the caller holds stay registered.

        Raises:
            What the orchestration function raises. TypeError: not an orchestration function.
        """
        self._require_open("capture")
        recorder = Recorder(self)
        orchestrate, taken = self._orchestration(target)
        orchestrate(*(recorder, args, config)[:taken])
        return recorder.finish()

    def launch(
        self,
        graph: Graph,
        *,
        tensors: Mapping[Tensor, Tensor] | None = None,
        scalars: Mapping[str, float] | None = None,
        after: Iterable[RunHandle] = (),
        after_any: Iterable[RunHandle] = (),
    ) -> RunHandle:
        """Begins a run of a captured graph, with no Python in the loop, and returns at once; its result is None.

        ``wait()`` or ``result()`` of what it returns waits for the tasks. It waits itself only at a bound of the Worker
        (``max_runs``, ``max_pending_tasks``).

        Args:
            tensors: tensors of the recording and what takes their places, of the same dtype, shape and strides; views
                of them that were recorded follow.
            scalars: new values of the graph's parameters; those left out are as recorded.
            after, after_any: runs that this one follows, as for submit.

        Raises:
            ConfigurationError: an unknown parameter; a replacement that does not fit, or overlaps another tensor; a
                run of another Worker.
            HandleStaleError: of a callable of the graph.
            BackPressureTimeout, WorkerGivenUp, WorkerClosed: as for submit.
        """
        self._require_ready("launch")
        if not isinstance(graph, Graph):
            raise TypeError(f"launch takes a Graph, not a {type(graph).__name__}; make one with capture")
        earlier = followed(self, "after", after), followed(self, "after_any", after_any)
        native = begin_launch(self, graph, tensors or {}, scalars or {}, earlier)
        return RunHandle(native, self)

    def _begin_run(self, after: Iterable[RunHandle], after_any: Iterable[RunHandle]) -> _core.Run:
        if after is NO_RUNS and after_any is NO_RUNS:
            earlier: tuple[list[_core.Run], ...] = ()
        else:
            earlier = followed(self, "after", after), followed(self, "after_any", after_any)
        while True:
            try:
                return self._engine.begin_run(*earlier)
            except native_errors() as error:
                if error.args[0] != self._codes["too_many_runs"]:
                    raise translate(error, operation="submit") from None
                situation = error.args[1]
            pending = self.stats().pending
            if not self._engine.wait_for_run_slot(self.options.submit_timeout) and self.stats().pending >= pending:
                raise BackPressureTimeout(
                    f"{situation} and no task ended within {self.options.submit_timeout} s; "
                    "raise WorkerOptions.max_runs, or wait for earlier runs",
                    operation="submit",
                )

    def _orchestration(self, target: Any) -> tuple[Callable[..., Any], int]:
        """The function to call, and how many of (orchestrator, args, config) it takes. Raises TypeError."""
        if self.level == CHIP_LEVEL:
            (chip,) = self.chip_ids
            return lambda o, args, config: o.submit_next_level(target, args, config, worker=chip) and None, GIVEN
        if not callable(target):
            raise TypeError(
                f"run takes the orchestration function itself at level {self.level}, not a {type(target).__name__}"
            )
        return target, parameters_taken(target)

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def children(self) -> list[ChildInfo]:
        """A snapshot of the processes below."""
        return [
            ChildInfo(
                **{
                    **child,
                    "installed": {f"sha256:{digest.hex()}": count for digest, count in child["installed"].items()},
                }
            )
            for child in self._engine.children()
        ]

    def stats(self) -> WorkerStats:
        """Counts of tasks, restarts, waits and bytes since the Worker was made."""
        return WorkerStats(**self._engine.stats())

    def trace(self) -> Trace:
        """Takes what was recorded so far, here and, from level 4 on, below.

        Raises:
            ConfigurationError: without ``options.trace``.
        """
        if not self.options.trace:
            raise ConfigurationError("trace: give WorkerOptions(trace=True) to record spans")
        tasks, cores, dropped = self._engine.take_trace()
        states = {
            self._codes["ok"]: "done",
            self._codes["skipped"]: "skipped",
            self._codes["worker_lost"]: "lost",
            self._codes["given_up"]: "lost",
            self._codes["task_timeout"]: "timed out",
            self._codes["cancelled"]: "cancelled",
        }
        spans = []
        for run, task, digest, kind, child, times, code in tasks:
            state = states.get(code, "failed")
            submit, dispatch, begin, end, complete, waited_for = times
            hashid = f"sha256:{digest.hex()}"
            spans.append(
                TaskSpan(run, task, hashid, kind, child, submit, dispatch, begin, end, complete, waited_for, state)
            )
        answers = self._engine.take_node_traces() if self._topology.nodes else []
        nodes = {node: pickle.loads(packed) for node, packed in answers if packed is not None}
        return Trace(
            spans,
            [CoreSpan(*span) for span in cores],
            dropped,
            nodes,
            [node for node in range(len(self._topology.nodes)) if node not in nodes],
            self.children,
        )

    # ---- private ---------------------------------------------------------------------------------------------------

    def _require_own(self, operation: str) -> None:
        if self._state == "moved":
            raise ConfigurationError(f"{operation}: {self!r} was added to a Worker; use that one", operation=operation)
        if self._state == "forked":
            forked.refuse(self, operation)

    def _require_open(self, operation: str) -> None:
        self._require_own(operation)
        if self._state == "closed":
            raise WorkerClosed("this Worker is closed", operation=operation)

    def _require_ready(self, operation: str) -> None:
        self._require_open(operation)
        if self._state != "ready":
            raise WorkerClosed("this Worker was not started: call init(), or use a with block", operation=operation)

    def _require_sub_workers(self) -> None:
        if not self.sub_workers:
            raise ConfigurationError("submit_sub: this Worker has no sub-workers (sub_workers=0)")

    def _placement_of(self, worker: int) -> int:
        number = whole(worker)
        if number is None or number not in self._placements:
            kind = "node" if self.level > NODE_LEVEL else "chip"
            known = ", ".join(map(str, self.next_level)) or "none"
            raise ConfigurationError(f"worker={worker!r}: no such {kind}; this Worker has {known}")
        return self._placements[number]

    def _child_name(self, index: int) -> str:
        ids = self.next_level
        if index >= len(ids):
            return f"sub-worker {index - len(ids)}"
        return f"{'node' if self.level > NODE_LEVEL else 'chip'} {ids[index]}"

    def __repr__(self) -> str:
        """Names level, children, platform and state."""
        return f"<Worker level {self.level}: {self._topology}, {self.platform}, {self._state}>"
