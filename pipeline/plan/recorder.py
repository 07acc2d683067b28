"""Records the task graph of a workload without a Worker: the orchestration function runs, and no task executes.

The dependencies follow from the engine's own rule (native/graph), applied to tensors in private memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.plan.model import PlannedGraph, PlannedTask
from runtime import _core
from runtime.tensors.task_args import TaskArgs, native_args
from runtime.tensors.tensor import Tensor, empty, share, zeros

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.workloads.base import Workload
    from runtime import CallConfig

_ARENA = 64 << 20
_LIMIT = 1 << 40
_ANY_SUB_WORKER = -1


@dataclass(frozen=True, slots=True)
class Recording:
    """The graph of one run."""

    planned: PlannedGraph
    demands: _core.ModelledGraph
    """The demands of its tasks on modelled chips."""
    callables: tuple[str, ...]
    """The callables that it uses, by their numbers in ``demands``."""


def record(workload: Workload[Any], callables: Iterable[str], next_level: str = "chip") -> Recording:
    """The graph of one run.

    Args:
        workload: made for the topology; it is prepared here, and cannot be used again afterwards.
        callables: names of the callables that it may submit.
        next_level: the kind of child of ``submit_next_level``: ``"chip"`` or ``"node"``.

    Raises:
        Every error of the workload's ``prepare`` and ``orchestrate``.
    """
    memory = _Memory()
    recorder = _Recorder(memory, next_level)
    workload.prepare(memory)  # type: ignore[arg-type]
    complete = True
    try:
        workload.orchestrate(recorder, _Names(callables))  # type: ignore[arg-type]
    except _NeedsResult:
        complete = False
    if workload.not_imported:
        complete = False
    planned = PlannedGraph(tuple(recorder.tasks), complete, workload.not_imported)
    return Recording(planned, recorder.demands, tuple(recorder.callables))


class _NeedsResult(Exception):  # noqa: N818 - no error: it ends the recording
    """The orchestration function reads a result, which only a run has."""


class _Names(Mapping[str, Any]):
    """Handles by name; each name is its own handle."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Memory:
    """Stands for the part of a Worker that makes tensors."""

    def __init__(self) -> None:
        self.pool = _core.MemoryPool(_ARENA, _LIMIT)

    def empty(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        return empty(self.pool, shape, dtype)

    def zeros(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        return zeros(self.pool, shape, dtype)

    def share(self, array: npt.NDArray[Any] | np.generic) -> Tensor:
        return share(self.pool, array)


class _Task:
    """A task that was only recorded."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getattr__(self, name: str) -> Any:
        raise _NeedsResult


class _Recorder:
    """Stands for the part of an Orchestrator that submits."""

    def __init__(self, memory: _Memory, next_level: str) -> None:
        self._next_level = next_level
        self.tasks: list[PlannedTask] = []
        self.demands = _core.ModelledGraph()
        self.callables: dict[str, int] = {}
        self._memory = memory
        self._dependencies = _core.Dependencies()

    def submit_next_level(
        self, handle: Any, args: TaskArgs | None = None, config: Any = None, *, worker: int, after: Iterable[_Task] = ()
    ) -> _Task:
        return self._note(handle, [args], [worker], config, after)

    def submit_next_level_group(
        self,
        handle: Any,
        args_list: Sequence[TaskArgs | None],
        config: Any = None,
        *,
        workers: Sequence[int],
        after: Iterable[_Task] = (),
    ) -> _Task:
        return self._note(handle, args_list, workers, config, after)

    def submit_sub(
        self, handle: Any, args: TaskArgs | None = None, config: Any = None, *, after: Iterable[_Task] = ()
    ) -> _Task:
        return self._note(handle, [args], [_ANY_SUB_WORKER], config, after)

    def submit_sub_group(
        self, handle: Any, args_list: Sequence[TaskArgs | None], config: Any = None, *, after: Iterable[_Task] = ()
    ) -> _Task:
        return self._note(handle, args_list, [_ANY_SUB_WORKER] * len(args_list), config, after)

    def alloc(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        return self._memory.empty(shape, dtype)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        yield

    def _note(
        self,
        name: str,
        args_list: Sequence[TaskArgs | None],
        workers: Sequence[int],
        config: CallConfig | None,
        after: Iterable[_Task],
    ) -> _Task:
        natives = [native_args(args, self._memory.pool) or _core.TaskArgs() for args in args_list]
        earlier = sorted({*self._dependencies.follow(natives), *(task.number for task in after)})
        number = self.callables.setdefault(name, len(self.callables))
        blocks = config.block_count if config else 0
        members = zip(workers, natives, strict=True)
        self.demands.add([(worker, number, native, blocks) for worker, native in members], earlier)
        self.tasks.append(PlannedTask(name, self._where(workers), tuple(earlier)))
        return _Task(len(self.tasks) - 1)

    def _where(self, workers: Sequence[int]) -> str:
        if _ANY_SUB_WORKER in workers:
            return "sub-workers"
        return f"{self._next_level}{'' if len(workers) == 1 else 's'} {', '.join(map(str, workers))}"

    def __getattr__(self, name: str) -> Any:
        raise _NeedsResult
