"""Orchestrator: the object through which an orchestration function submits tasks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from runtime import _core, pickled_names
from runtime.errors import ConfigurationError
from runtime.errors.wording import kind_of
from runtime.failure import native_errors, no_room, submit_refused
from runtime.identity import CallableHandle, TargetNamespace
from runtime.options import CallConfig
from runtime.runs.run_handle import GroupTask, Task, several
from runtime.tensors.task_args import TaskArgs, native_args
from runtime.tensors.tensor import Tensor, empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from runtime.observe.child_info import ChildInfo
    from runtime.processes.topology import Topology
    from runtime.session import Session


class Orchestrator(_core.Submitter):
    """Submits the tasks of one run; valid while its orchestration function runs."""

    def __init__(
        self, session: Session, run: _core.Run | _core.CapturedGraph, task_type: type[Task | _core.GraphTaskRef] = Task
    ) -> None:
        below = TargetNamespace.LOCAL_PYTHON if session.topology.nodes else TargetNamespace.LOCAL_CHIP
        self._next_level_namespace = below
        super().__init__(
            session.engine,
            run,
            session,
            session.registry,
            CallableHandle,
            TaskArgs,
            task_type,
            below,
            TargetNamespace.LOCAL_PYTHON,
            session.placements,
            native_config,
        )
        self._session = session
        self._run: _core.Run = run  # type: ignore[assignment] # a Recorder has a graph, and never uses a run
        self._scopes: list[_core.Scope] = []

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: a function that is pickled must not refer to an Orchestrator."""
        raise TypeError("cannot pickle an Orchestrator: only its orchestration function can submit, in its own process")

    # ---- tasks -----------------------------------------------------------------------------------------------------

    @property
    def topology(self) -> Topology:
        """The Worker's chips, nodes and sub-workers, to which tasks can be submitted."""
        return self._session.topology

    @property
    def children(self) -> list[ChildInfo]:
        """A snapshot of the processes below; see Worker.children."""
        from runtime.observe.child_info import snapshot  # imported here to keep the start fast

        return snapshot(self._session.engine)

    def _submit_next_level(
        self,
        handle: CallableHandle,
        args: TaskArgs | None = None,
        config: CallConfig | None = None,
        *,
        worker: int,
        after: Iterable[Task] = (),
    ) -> Task:
        """The inputs that submit_next_level leaves to Python: plain arrays, other iterables, and wrong arguments."""
        callable_ = self._session.registry.resolve(handle, self._next_level_namespace, "submit_next_level")
        placement = self._session.placement_of(worker)
        return self._submit(callable_, args, placement, config, after)

    def submit_next_level_group(
        self,
        handle: CallableHandle,
        args_list: Sequence[TaskArgs | None],
        config: CallConfig | None = None,
        *,
        workers: Sequence[int],
        after: Iterable[Task] = (),
    ) -> GroupTask:
        """Submits one task with a member on each of several chips or nodes. The members begin together.

        No member begins before every child of the group has finished its earlier work; the task is complete when all
        members are. If a member fails, the task fails, and the other members run to their end.

        Args:
            handle: the callable of every member; as in submit_next_level.
            args_list: the arguments of each member, in the order of ``workers``.
            config: the configuration of each member.
            workers: ids of distinct chips or nodes.
            after: as in submit_next_level.

        Raises: as submit_next_level; ValueError also for no member, a child named twice, more members than
            children, more or fewer arguments than members, or two members that write the same bytes.
        """
        callable_ = self._session.registry.resolve(handle, self._next_level_namespace, "submit_next_level_group")
        placements = [self._session.placement_of(worker) for worker in workers]
        pool = len(self._session.placements)
        if len(placements) > pool:
            raise ConfigurationError(f"a group on {len(placements)} children, but this Worker has {pool}")
        twice = sorted({worker for worker in workers if list(workers).count(worker) > 1})
        if twice:
            raise ConfigurationError(f"workers={list(workers)}: {twice} more than once; members go to distinct chips")
        if len(args_list) != len(placements):
            raise ConfigurationError(f"{len(args_list)} arguments for {len(placements)} workers: one for each")
        return self._submit_group(callable_, args_list, placements, config, after)

    def _submit_sub(
        self,
        handle: CallableHandle,
        args: TaskArgs | None = None,
        config: CallConfig | None = None,
        *,
        after: Iterable[Task] = (),
    ) -> Task:
        """The inputs that submit_sub leaves to Python."""
        callable_ = self._session.registry.resolve(handle, TargetNamespace.LOCAL_PYTHON, "submit_sub")
        self._session.require_sub_workers()
        return self._submit(callable_, args, -1, config, after)

    def _submit_many(  # noqa: PLR0917 - called by the native half
        self,
        handle: CallableHandle,
        args_list: Sequence[TaskArgs | None],
        config: CallConfig | None,
        workers: int | Iterable[int] | None,
        after: Iterable[Task] | None,
        tasks: list[Task],
    ) -> list[Task]:
        """The inputs that submit_many leaves to Python; ``tasks`` are those that it has submitted already."""
        earlier = list(after or ())
        placed = list(workers) if isinstance(workers, Iterable) else [workers] * len(args_list)
        if len(placed) != len(args_list):
            raise ConfigurationError(
                f"submit_many: {len(args_list)} arguments for {len(placed)} workers: one for each, or one for all"
            )
        for args, worker in zip(args_list[len(tasks) :], placed[len(tasks) :], strict=True):
            if worker is None:
                tasks.append(self.submit_sub(handle, args, config, after=earlier))
            else:
                tasks.append(self.submit_next_level(handle, args, config, worker=worker, after=earlier))
        return tasks

    def submit_sub_group(
        self,
        handle: CallableHandle,
        args_list: Sequence[TaskArgs | None],
        config: CallConfig | None = None,
        *,
        after: Iterable[Task] = (),
    ) -> GroupTask:
        """Submits one task with a member on each of ``len(args_list)`` sub-workers. The members begin together.

        ``result()`` gives the members' returned values, in order; see submit_next_level_group for the rest.

        Raises: as submit_sub; ValueError also for no member, more members than sub-workers, or two members that write
            the same bytes.
        """
        callable_ = self._session.registry.resolve(handle, TargetNamespace.LOCAL_PYTHON, "submit_sub_group")
        self._session.require_sub_workers()
        pool = self._session.topology.sub_workers
        if len(args_list) > pool:
            raise ConfigurationError(f"a group of {len(args_list)}, but this Worker has {pool} sub-workers")
        return self._submit_group(callable_, args_list, [-1] * len(args_list), config, after)

    # ---- tensors of the run ----------------------------------------------------------------------------------------

    def alloc(self, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32") -> Tensor:
        """A tensor for values between tasks, in shared memory; its contents are undefined.

        The tensor belongs to the run. Its memory is freed when the last accepted task that uses it has ended and no
        Python reference to it is left. Inside ``scope()``, it can only be used up to the end of the scope.

        Waits for tasks to end while ``WorkerOptions.memory_limit_bytes`` is reached.

        Raises: MemoryError (no memory was freed in time), TypeError (dtype).
        """
        while True:
            ended = self._ended()
            try:
                tensor = empty(self._session.pool, shape, dtype)
                break
            except MemoryError:
                self._wait_for_progress(ended)
        if self._scopes:
            self._scopes[-1].own(tensor)
        return tensor

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Bounds the lifetime of the tensors that ``alloc`` makes inside; scopes may be nested.

        After the ``with`` block these tensors, and views of them, can neither be passed to a submit nor be read
        (ValueError). Tasks that were accepted inside keep the memory that they use; NumPy arrays made inside stay
        valid. The memory is freed with the last of these tasks and arrays.
        """
        scope = _core.Scope()
        self._scopes.append(scope)
        try:
            yield
        finally:
            self._scopes.remove(scope)
            scope.end()

    # ---- private ---------------------------------------------------------------------------------------------------

    def _submit(
        self,
        callable_: _core.CallableRef,
        args: TaskArgs | None,
        placement: int,
        config: CallConfig | None,
        after: Iterable[Task],
    ) -> Task:
        native = native_args(args, self._session.pool)
        earlier = self._earlier(after) if after else []
        return self._submit_native(callable_, native, placement, native_config(config), earlier)

    def _submit_native(
        self,
        callable_: _core.CallableRef,
        native: _core.TaskArgs | None,
        placement: int,
        settings: _core.CallConfig,
        earlier: list[_core.Task],
    ) -> Task:
        session = self._session
        engine = session.engine
        while True:
            try:
                task = engine.submit(self._run, callable_, native, placement, settings, earlier)
                return Task(session, engine, task)
            except native_errors() as error:
                self._wait_or_raise(error, callable_)

    def _submit_group(
        self,
        callable_: _core.CallableRef,
        args_list: Sequence[TaskArgs | None],
        placements: list[int],
        config: CallConfig | None,
        after: Iterable[Task],
    ) -> GroupTask:
        require_members(placements)
        session = self._session
        engine = session.engine
        natives = [native_args(args, session.pool) for args in args_list]
        earlier = self._earlier(after)
        settings = native_config(config)
        while True:
            try:
                task = engine.submit_group(self._run, callable_, natives, placements, settings, earlier)
                return GroupTask(session, engine, task)
            except native_errors() as error:
                self._wait_or_raise(error, callable_)

    def _call(self, orchestrate: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        """Calls the orchestration function, before the run is sealed. Returns its value."""
        return orchestrate(*given)

    def _ended(self) -> int:
        """The number of tasks that have ended so far."""
        stats = self._session.engine.stats()
        return int(stats["accepted"] - stats["pending"])

    def _wait_for_progress(self, ended: int) -> None:
        """Waits until more tasks than ``ended`` have ended; re-raises the handled exception if none does."""
        session = self._session
        if not session.engine.wait_for_progress(ended, session.options.submit_timeout) or self._ended() == ended:
            raise  # noqa: PLE0704 - called where MemoryError is handled

    def _earlier(self, after: Iterable[Task]) -> list[_core.Task]:
        earlier = []
        for given in several("after", after, Task, "tasks, which a submit returns"):
            task = given._native
            if given._session is not self._session:
                raise ConfigurationError(f"after: task {task.id} of run {task.run_id} belongs to another Worker")
            earlier.append(task)
            if task.run_id != self._run.id:
                raise ConfigurationError(
                    f"after: task {task.id} of run {task.run_id}, but this is run {self._run.id}; runs are independent"
                )
        return earlier

    def _wait_or_raise(self, error: Exception, callable_: _core.CallableRef) -> None:
        """Waits for room if a submit was refused for lack of room; else raises the reason of the refusal."""
        if error.args[0] != self._session.codes["back_pressure"]:
            raise submit_refused(error, callable_) from None
        timeout = self._session.options.submit_timeout
        if not self._session.engine.wait_for_room(timeout):
            raise no_room(error.args[1], timeout, "max_pending_tasks", instead="submit less at once") from None


def require_members(placements: Sequence[int]) -> None:
    """Raises ConfigurationError if a group has no members."""
    if not placements:
        raise ConfigurationError("a group of no members would never end; give it at least one")


def native_config(config: CallConfig | None, *, keeps: bool = False) -> _core.CallConfig:
    """The engine's form of ``config``. Raises TypeError if not a CallConfig.

    Args:
        keeps: whether what the task writes may stay on the machine of its node.
    """
    if config is None:
        return _core.CallConfig(keeps=keeps)
    if not isinstance(config, CallConfig):
        raise TypeError(f"config is a CallConfig, not {kind_of(config)}")
    return _core.CallConfig(config.block_count, config.retries, config.deadline or 0.0, config.trace, keeps)


pickled_names.keep(__name__)
