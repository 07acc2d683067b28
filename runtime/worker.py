"""Worker: chips and Python sub-workers under one parent, and the callables and tensors that they share."""

from __future__ import annotations

import inspect
import threading
import weakref
from typing import TYPE_CHECKING, Any, Self

from runtime import _core, spawning
from runtime.children import ChildInfo
from runtime.errors import ConfigurationError, PartialFailureError, StartError, WorkerClosed
from runtime.failure import Failures
from runtime.native_errors import code_name, native_errors
from runtime.options import WorkerOptions
from runtime.orchestrator import Orchestrator
from runtime.platforms import require_platform
from runtime.registry import Registry
from runtime.run_handle import RunHandle
from runtime.tensor import Tensor, empty, share, zeros
from runtime.trace import CoreSpan, TaskSpan, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt

    from runtime.identity import CallableHandle
    from runtime.options import CallConfig

_CHIP_LEVEL = 2
_NODE_LEVEL = 3


class Worker:
    """A node: chip children and Python sub-workers, started together and closed together.

    Args:
        level: 3, a node of chips and sub-workers; 2, one chip.
        chips: number of chips, with ids 0 to chips - 1.
        device_ids: ids of the chips, instead of ``chips``.
        sub_workers: number of Python sub-workers.
        platform: what the chips are, for instance ``"a2a3sim"``.
        runtime: name of the chip runtime; part of every chip callable's identity.
        options: resources, bounds and timeouts.

    Raises:
        ConfigurationError: impossible topology or value; the message names the argument.
        PlatformUnavailable: the platform needs a toolkit that is not installed.

    Example:
        >>> with Worker(level=3, chips=0, sub_workers=1) as worker:
        ...     double = worker.register(lambda args: 2 * args.scalars[0])
        ...     run = lambda o: o.submit_sub(double, TaskArgs(scalars=[21])).result()
        ...     worker.run(run)
        42
    """

    def __init__(
        self,
        level: int = _NODE_LEVEL,
        *,
        chips: int | None = None,
        device_ids: Sequence[int] | None = None,
        sub_workers: int = 0,
        platform: str = "a2a3sim",
        runtime: str = "host_build_graph",
        options: WorkerOptions | None = None,
    ) -> None:
        self.level = level
        self.platform = platform
        self.runtime = runtime
        self.options = options or WorkerOptions()
        self.chip_ids = _chip_ids(level, chips, device_ids)
        self.sub_workers = _sub_workers(level, sub_workers)
        if not self.chip_ids and not self.sub_workers:
            raise ConfigurationError("chips=0 and sub_workers=0: a Worker needs at least one child")
        if not runtime or "\n" in runtime:
            raise ConfigurationError(f"runtime={runtime!r}: a name on one line")
        require_platform(platform)

        self._codes: dict[str, int] = _core.CODES
        self._pool = _core.MemoryPool(self.options.arena_bytes, self.options.memory_limit_bytes)
        self._engine = _core.Engine(spawning.engine_options(self), self._pool)
        self._registry = Registry(self._engine, platform=platform, runtime=runtime)
        self._failures = Failures(self._codes, self._child_name)
        self._placements = {chip: index for index, chip in enumerate(self.chip_ids)}
        self._lifecycle = threading.Lock()
        self._state = "new"
        self._finalizer = weakref.finalize(self, self._engine.close, 0.0)

    # ---- life ------------------------------------------------------------------------------------------------------

    def init(self) -> Self:
        """Starts every child; returns when all are ready and have every registered callable.

        Raises:
            StartError: a child did not start; nothing is left behind.
            PartialFailureError: a child refused a callable that was registered before; likewise.
            WorkerClosed: the Worker was closed; it is never revived.
        """
        with self._lifecycle:
            if self._state == "ready":
                return self
            if self._state == "closed":
                raise WorkerClosed("this Worker is closed for good; make a new one", operation="init")
            children = [("chip", chip) for chip in self.chip_ids] + [("sub", i) for i in range(self.sub_workers)]
            try:
                self._engine.start(children, self.options.start_timeout)
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
        return PartialFailureError(
            f"callable {label} was not registered: {child}: {code_name(why)}: {text}",
            hashid=f"sha256:{digest.hex()}",
            worker=child,
            operation="init",
            results={child: f"{code_name(why)}: {text}"},
        )

    def close(self) -> list[str]:
        """Ends the Worker: drains for ``options.close_timeout`` seconds, then ends what is left. Safe to repeat.

        Returns:
            Names of the children that had to be ended by force.
        """
        with self._lifecycle:
            return [] if self._state == "closed" else self._end(self.options.close_timeout)

    def _end(self, budget: float) -> list[str]:
        self._state = "closed"
        self._finalizer.detach()
        return self._engine.close(budget)

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
                if self._state != "closed":
                    self._end(0.0)

    # ---- callables -------------------------------------------------------------------------------------------------

    def register(self, target: object) -> CallableHandle:
        """Names a callable and installs it in every child that can run it; before init(), at init().

        Args:
            target: a ChipCallable; any Python callable that can be pickled; ``"module:qualname"`` or a function
                marked with ``by_source``, identified by its module's source.

        Returns:
            A new handle with a lifetime of its own; equal callables share one hashid.

        Raises:
            TypeError: not a callable. Whatever pickling raises; then nothing has changed.
            PartialFailureError: a child refused; nothing stays installed.
            ConfigurationError: no child of this Worker could ever run it.
            CleanupUncertainError, RegisterTombstoneError, SlotExhaustedError, WorkerClosed.
        """
        self._require_open("register")
        return self._registry.register(target, self._can_run)

    def unregister(self, handle: CallableHandle) -> None:
        """Releases a handle. The last handle of a callable removes it, once accepted tasks that use it have ended.

        Raises:
            HandleForeignError, HandleStaleError, UnregisterTombstoneError.
            ControlTimeout: a child did not confirm it in time; the handle is released all the same.
        """
        self._require_open("unregister")
        self._registry.unregister(handle)

    def _can_run(self, runs_on: str) -> None:
        if runs_on == "chip" and not self.chip_ids:
            raise ConfigurationError("register: a chip callable, but this Worker has no chips")
        if runs_on == "sub" and not self.sub_workers:
            raise ConfigurationError("register: a Python callable, but this Worker has no sub-workers (sub_workers=0)")

    # ---- tensors ---------------------------------------------------------------------------------------------------

    def empty(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        """A tensor in shared memory whose contents are undefined. Raises MemoryError, TypeError (dtype)."""
        return empty(self._pool, shape, dtype)

    def zeros(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        """A tensor of zeros in shared memory. Raises MemoryError, TypeError (dtype)."""
        return zeros(self._pool, shape, dtype)

    def share(self, array: npt.NDArray[Any] | np.generic) -> Tensor:
        """A tensor in shared memory with a copy of ``array``. Raises MemoryError, TypeError (dtype)."""
        return share(self._pool, array)

    # ---- running ---------------------------------------------------------------------------------------------------

    def run(
        self, target: Callable[..., Any] | CallableHandle, args: Any = None, config: CallConfig | None = None
    ) -> Any:
        """Runs an orchestration function (level 3) or a chip callable (level 2) to its end.

        Args:
            target: at level 3 a function, called as ``target(orchestrator, args, config)`` with as many of the three
                as it takes; at level 2 a handle.
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
        self, target: Callable[..., Any] | CallableHandle, args: Any = None, config: CallConfig | None = None
    ) -> RunHandle:
        """Begins a run: the orchestration function runs here, on the caller's thread, its tasks already execute.

        Raises:
            What the orchestration function raises; the run is then cancelled and has ended.
            TypeError: not an orchestration function (level 3), not a handle (level 2).
            WorkerClosed: not started, or closed.
        """
        self._require_ready("submit")
        orchestrate = self._orchestration(target)
        native = self._engine.begin_run()
        run = RunHandle(native, self._engine, self._failures)
        try:
            run._returned(orchestrate(Orchestrator(self, native), args, config))
        except BaseException:
            self._engine.cancel(native)
            self._engine.seal(native)
            run.wait(self.options.close_timeout)
            raise
        self._engine.seal(native)
        return run

    def _orchestration(self, target: Any) -> Callable[..., Any]:
        if self.level == _CHIP_LEVEL:
            chip = self.chip_ids[0]
            return lambda o, args, config: o.submit_next_level(target, args, config, worker=chip) and None
        if not callable(target):
            raise TypeError(
                f"run takes the orchestration function itself at level {self.level}, not a {type(target).__name__}"
            )
        count = _positional_parameters(target)
        return lambda *given: target(*given[:count])

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def children(self) -> list[ChildInfo]:
        """A snapshot of the processes below."""
        return [
            ChildInfo(
                **{
                    **child,
                    "installed": {f"sha256:{digest.hex()}": count for digest, count in child["installed"].items()},
                    "uncertain": [f"sha256:{digest.hex()}" for digest in child["uncertain"]],
                }
            )
            for child in self._engine.children()
        ]

    def trace(self) -> Trace:
        """Takes what was recorded so far. Raises ConfigurationError unless ``options.trace``."""
        if not self.options.trace:
            raise ConfigurationError("trace: give WorkerOptions(trace=True) to record spans")
        tasks, cores, dropped = self._engine.take_trace()
        states = {
            self._codes["ok"]: "done",
            self._codes["skipped"]: "skipped",
            self._codes["worker_lost"]: "lost",
            self._codes["given_up"]: "lost",
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
        return Trace(
            spans,
            [CoreSpan(*span) for span in cores],
            dropped,
        )

    # ---- private ---------------------------------------------------------------------------------------------------

    def _require_open(self, operation: str) -> None:
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
        try:
            return self._placements[worker]
        except (KeyError, TypeError):
            known = ", ".join(map(str, self.chip_ids)) or "none"
            raise ConfigurationError(f"worker={worker!r}: no such chip; this Worker has {known}") from None

    def _child_name(self, index: int) -> str:
        chips = len(self.chip_ids)
        return f"chip {self.chip_ids[index]}" if index < chips else f"sub-worker {index - chips}"

    def __repr__(self) -> str:
        """Names level, children, platform and state."""
        return (
            f"<Worker level {self.level}: {len(self.chip_ids)} chips, {self.sub_workers} sub-workers, "
            f"{self.platform}, {self._state}>"
        )


def _chip_ids(level: int, chips: int | None, device_ids: Sequence[int] | None) -> tuple[int, ...]:
    if level not in (_CHIP_LEVEL, _NODE_LEVEL):
        raise ConfigurationError(f"level={level!r}: 2 (one chip) or 3 (a node of chips and sub-workers)")
    if chips is not None and device_ids is not None:
        raise ConfigurationError("give chips or device_ids, not both")
    if device_ids is not None:
        ids = tuple(device_ids)
        if len(set(ids)) != len(ids) or any(not isinstance(i, int) or i < 0 for i in ids):
            raise ConfigurationError(f"device_ids={list(ids)}: distinct integers from 0")
    else:
        count = chips if chips is not None else (1 if level == _CHIP_LEVEL else 0)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ConfigurationError(f"chips={chips!r}: an integer from 0")
        ids = tuple(range(count))
    if level == _CHIP_LEVEL and len(ids) != 1:
        raise ConfigurationError(f"chips={len(ids)}: a level 2 Worker is exactly one chip")
    return ids


def _sub_workers(level: int, count: int) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ConfigurationError(f"sub_workers={count!r}: an integer from 0")
    if level == _CHIP_LEVEL and count:
        raise ConfigurationError(f"sub_workers={count}: a level 2 Worker is one chip and has none")
    return count


def _positional_parameters(function: Callable[..., Any]) -> int:
    """How many of (orchestrator, args, config) a function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 3
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 3
    count = 0
    for parameter in parameters:
        positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        # `lambda o, i=i: ...` binds a variable of a loop and takes nothing from us.
        if not positional or (parameter.default is not parameter.empty and parameter.name not in ("args", "config")):
            break
        count += 1
    return min(3, count)
