"""Worker: chips, nodes and Python sub-workers under one parent, and the callables and tensors that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from runtime.chips.platforms import require_platform
from runtime.errors import ConfigurationError
from runtime.errors.wording import kind_of
from runtime.graphs.launch import launch
from runtime.graphs.recorder import capture
from runtime.options import checked
from runtime.processes.topology import NODE_LEVEL, Topology, chip_ids
from runtime.runs.run_start import NO_RUNS, submit
from runtime.session import Session
from runtime.tensors import tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from runtime.graphs.graph import Graph
    from runtime.hosting.cluster import Cluster
    from runtime.identity import CallableHandle
    from runtime.observe.child_info import ChildInfo
    from runtime.observe.host_info import HostInfo
    from runtime.observe.stats import WorkerStats
    from runtime.observe.trace import Glimpse, Trace
    from runtime.options import CallConfig, WorkerOptions
    from runtime.runs.run_handle import RunHandle
    from runtime.tensors.tensor import Tensor


class Worker:
    """Chips, nodes and Python sub-workers, started together and closed together.

    Args:
        level: 3 for chips and sub-workers; 2 for one chip; 4 and above for nodes (see add_worker) and sub-workers.
        chips: number of chips, with ids 0 to chips - 1.
        device_ids: ids of the chips, instead of ``chips``.
        sub_workers: number of Python sub-workers.
        platform: the kind of chips, for instance ``"a2a3sim"``.
        runtime: name of the chip runtime; part of every chip callable's identity.
        options: resources, bounds and timeouts.

    Raises:
        ConfigurationError: impossible topology or value; the message names the argument.
        PlatformUnavailable: the platform needs a toolkit that is not installed.
        OutOfMemory, OutOfDescriptors: the process has too little memory, or too few descriptors, for the Worker.

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
        ids = chip_ids(level, chips, device_ids)
        topology = Topology(level, ids, sub_workers, platform, runtime, checked(options))
        if level <= NODE_LEVEL:
            topology.require_children()
        require_platform(platform)
        self._use(Session(topology))

    @classmethod
    def _nested(cls, topology: Topology) -> Self:
        """The Worker within a node child, which accepts the handles of the Workers above it."""
        worker = cls.__new__(cls)
        worker._use(Session(topology, nested=True))
        return worker

    def _use(self, session: Session) -> None:
        topology = session.topology
        self._session = session
        self.level = topology.level
        self.chip_ids = topology.chip_ids
        self.sub_workers = topology.sub_workers
        self.platform = topology.platform
        self.runtime = topology.runtime
        self.options = topology.options

    @property
    def topology(self) -> Topology:
        """This Worker's chips, nodes and sub-workers."""
        return self._session.topology

    @property
    def next_level(self) -> tuple[int, ...]:
        """The ids that ``submit_next_level`` takes as ``worker``: of the chips, or from level 4 on of the nodes."""
        return self._session.topology.next_level

    def add_worker(self, child: Worker, *, on: Cluster | None = None) -> int:
        """Moves ``child`` below this Worker, as a node child: a process that hosts it. Needs level 4 or above.

        Allowed before init(). Afterwards ``child`` cannot be used by itself: a Worker with its settings is started,
        used and closed through this one.

        Args:
            child: a Worker that was not started, of the level below, with the same platform and runtime, without
                callables and tensors.
            on: the engine that hosts the node, and the conditions on its machine; None: this machine.

        Returns the node's id: 0 for the first, then 1, and so on.

        Raises:
            TypeError: not a Worker, or not a Cluster.
            ConfigurationError: the child cannot be moved here (the message has the reason), or this Worker was started.
        """
        from runtime.hosting.cluster import Cluster  # imported late: most Workers have no nodes

        if not isinstance(child, Worker):
            raise TypeError(f"add_worker takes a Worker, not {kind_of(child)}")
        if on is not None and not isinstance(on, Cluster):
            raise TypeError(f"add_worker: on={on!r}: a Cluster, not {kind_of(on)}")
        return self._session.add_node(child._session, on or Cluster())

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: a function that is pickled must not refer to a Worker."""
        raise TypeError("cannot pickle a Worker: it stays in its process; give tasks what they need as TaskArgs")

    def init(self) -> Self:
        """Starts every child; returns when all are ready and have every registered callable.

        Raises:
            StartError: a child did not start; no process is left behind.
            PartialFailureError: a child refused a callable that was registered before; no process is left behind.
            ConfigurationError: at level 4 and up, a callable was registered that no node and no sub-worker can run.
            WorkerClosed: the Worker was closed; it cannot start again.
        """
        self._session.start(self.options.start_timeout)
        return self

    def close(self) -> list[str]:
        """Lets accepted tasks continue for ``options.close_timeout`` seconds, then ends the Worker. Safe to repeat.

        Returns the names of the children that had to be ended by force.
        """
        return self._session.close(self.options.close_timeout)

    def __enter__(self) -> Self:
        """Starts the Worker."""
        return self.init()

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        """Closes the Worker; if an exception ends the block, without waiting for tasks."""
        if kind is None:
            self.close()
        else:
            self._session.close(0.0)

    def register(self, target: object, *, name: str | None = None) -> CallableHandle:
        """Names a callable and installs it in every child that can run it. Before init(), this is left to init().

        Args:
            target: a ChipCallable; any Python callable that can be pickled; or, identified by its module's source,
                ``"module:qualname"`` or a function marked with ``by_source``.
            name: the callable's name in messages; default: its own name. Not part of its identity.

        Returns:
            A new handle with a lifetime of its own; equal callables share one hashid.

        Raises:
            TypeError: not a callable, or a coroutine function or generator function, whose call runs none of its code.
                Also any exception of pickling, with a note that names the callable. Nothing has changed then.
            PartialFailureError: a child refused, or all children that could run it were given up. Nothing stays
                installed. A child that dies meanwhile, or does not answer, is not a failure: its replacement installs
                the callable.
            ConfigurationError: no child of this Worker could ever run it. At level 4 and above, init() may raise this.
            RegisterTombstoneError, SlotExhaustedError, WorkerClosed.
        """
        return self._session.register(target, name)

    def unregister(self, handle: CallableHandle) -> None:
        """Releases a handle. With its last handle, a callable is removed once accepted tasks that use it have ended.

        Raises HandleForeignError, HandleStaleError, UnregisterTombstoneError, WorkerClosed.
        """
        self._session.require_open("unregister")
        self._session.registry.unregister(handle)

    def empty(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        """A tensor in shared memory whose contents are undefined. Raises MemoryError, TypeError (dtype)."""
        return tensor.empty(self._session.memory("empty"), shape, dtype)

    def zeros(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        """A tensor of zeros in shared memory. Raises MemoryError, TypeError (dtype)."""
        return tensor.zeros(self._session.memory("zeros"), shape, dtype)

    def share(self, array: npt.NDArray[Any] | np.generic) -> Tensor:
        """A tensor in shared memory with a copy of ``array``. Raises MemoryError, TypeError (dtype)."""
        return tensor.share(self._session.memory("share"), array)

    def run(
        self, target: Callable[..., Any] | CallableHandle, args: Any = None, config: CallConfig | None = None
    ) -> Any:
        """Runs an orchestration function (from level 3 on) or a chip callable (level 2) to its end.

        Args:
            target: from level 3 on a function, called as ``target(orchestrator, args, config)`` with as many of the
                three as it takes; at level 2 a handle.
            args: passed to the function; at level 2 the TaskArgs of the callable.
            config: passed to the function; at level 2 the options of the call.

        Returns the value of the orchestration function. Raises the first error of the run.
        """
        handle = submit(self._session, target, args, config)
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
        """Begins a run: the orchestration function runs on the caller's thread while its tasks already execute.

        Runs are independent: two runs that use one tensor are not ordered, unless one follows the other (``after``).

        Args:
            target, args, config: as for run.
            after: runs of this Worker. Tasks of the new run begin only when all these runs have ended, and are
                skipped if one of these runs failed or was cancelled.
            after_any: as ``after``, but the tasks also begin if one of these runs failed or was cancelled.

        Raises:
            ConfigurationError: ``after`` or ``after_any`` names a run of another Worker.
            Any exception of the orchestration function; the run is then cancelled and has ended.
            BackPressureTimeout: ``options.max_runs`` runs are under way, and no task ends in time.
            TypeError: not an orchestration function (from level 3 on), or not a handle (level 2); not a RunHandle.
            WorkerClosed: not started, or closed.
        """
        return submit(self._session, target, args, config, after=after, after_any=after_any)

    def capture(self, target: Callable[..., Any], args: Any = None, config: CallConfig | None = None) -> Graph:
        """Records the tasks that an orchestration function submits, with their dependencies, and runs none of them.

        A Worker that is not started can capture, too, so that chips can be studied without a process for each.

        Args:
            target: as for run, called with a Recorder; ``recorder.scalar(name, value)`` makes a scalar that launches
                may replace. The graph does not keep callables registered: unregister them after its last launch.

        Raises:
            Any exception of the orchestration function. TypeError: not an orchestration function.
        """
        return capture(self._session, target, args, config)

    def launch(
        self,
        graph: Graph,
        *,
        tensors: Mapping[Tensor, Tensor] | None = None,
        scalars: Mapping[str, float] | None = None,
        after: Iterable[RunHandle] = (),
        after_any: Iterable[RunHandle] = (),
    ) -> RunHandle:
        """Begins a run of a captured graph, without Python code for each task, and returns at once. Its result is None.

        ``wait()`` or ``result()`` of the returned handle waits for the tasks. ``launch`` itself waits only at a bound
        of the Worker (``max_runs``, ``max_pending_tasks``).

        Args:
            tensors: maps recorded tensors to replacements of the same dtype, shape and strides; recorded views of
                a replaced tensor become views of its replacement.
            scalars: new values of the graph's parameters, by name; other parameters keep their recorded values.
            after, after_any: runs that the new run follows, as for submit.

        Raises:
            ConfigurationError: an unknown parameter; a replacement that does not fit, or overlaps another tensor; a
                run of another Worker.
            HandleStaleError: a callable of the graph is not registered any more.
            BackPressureTimeout, WorkerGivenUp, WorkerClosed: as for submit.
        """
        return launch(self._session, graph, tensors or {}, scalars or {}, after=after, after_any=after_any)

    @property
    def children(self) -> list[ChildInfo]:
        """A snapshot of the child processes."""
        from runtime.observe.child_info import snapshot  # imported here to keep the start fast

        return snapshot(self._session.engine)

    def hosts(self) -> list[HostInfo]:
        """A snapshot of the hosts of the nodes that an engine hosts, by node. A node without a host is missing: it is
        on this machine, or its host is being replaced.

        Raises WorkerClosed: not started, or closed.
        """
        self._session.require_ready("hosts")
        from runtime.observe.host_info import hosts_of

        return [] if self._session.hosting is None else hosts_of(self._session.hosting)

    def stats(self) -> WorkerStats:
        """Counts of tasks, restarts, waits and bytes since the Worker was made."""
        from runtime.observe.stats import WorkerStats

        hosting = self._session.hosting
        return WorkerStats(**self._session.engine.stats(), **({} if hosting is None else hosting.traffic()))

    def trace(self) -> Trace:
        """Takes the records of this Worker and of its nodes. Raises ConfigurationError without ``options.trace``."""
        self._require_trace()
        from runtime.observe.trace import take_trace

        return take_trace(self._session.engine, self._session.codes, len(self.topology.nodes))

    def glimpse(self, since: int = 0, most: int = 1000) -> Glimpse:
        """Copies a part of this Worker's records, without removing any. Workers in nodes are not included.

        Args:
            since: number of tasks to leave out: ``recorded`` of an earlier call. If it is larger than the number of
                recorded tasks, the trace was taken meanwhile, and no task is left out.
            most: greatest number of spans; of more tasks, it returns evenly spread ones, including the newest.

        Raises:
            ConfigurationError: without ``options.trace``, or a negative number.
        """
        self._require_trace()
        if since < 0 or most < 0:
            raise ConfigurationError(f"glimpse: since={since}, most={most}: both must be at least 0")
        from runtime.observe.trace import glimpse

        return glimpse(self._session.engine, self._session.codes, since, most)

    def _require_trace(self) -> None:
        if not self.options.trace:
            raise ConfigurationError("trace: give WorkerOptions(trace=True) to record spans")

    def __repr__(self) -> str:
        """Names level, children, platform and state."""
        return repr(self._session)
