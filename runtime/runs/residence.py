"""Where the contents of a run's tensors are, if some of its nodes are on other machines.

What a task on a host writes stays there if it is large. It is brought to this machine when a task of this machine uses
it, when the program reads the tensor, or when the orchestration function returns; another host fetches it from the
first. Bringing is a task of its own, so that the scheduler orders it. What ``alloc`` made inside a ``scope()`` is
dropped at the scope's end instead.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import _core
from runtime.errors import ConfigurationError
from runtime.hosting import transfer
from runtime.runs.orchestrator import Orchestrator, native_config
from runtime.tensors.tags import WRITES, Tag
from runtime.tensors.task_args import native_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from runtime.identity import CallableHandle
    from runtime.options import CallConfig
    from runtime.runs.run_handle import GroupTask, Task
    from runtime.session import Session
    from runtime.tensors.task_args import TaskArgs
    from runtime.tensors.tensor import Tensor


class _Place(NamedTuple):
    """Some bytes of an arena, as a view."""

    arena: int
    begin: int
    end: int
    form: tuple[Any, ...]

    def meets(self, other: _Place) -> bool:
        """Whether both may have bytes in common."""
        return self.arena == other.arena and self.begin < other.end and other.begin < self.end


class _Away(NamedTuple):
    """A view whose newest content is on a host."""

    tensor: Tensor
    node: int


class HostedOrchestrator(Orchestrator):
    """The orchestrator of a Worker some of whose nodes are on other machines."""

    def __init__(self, session: Session, run: _core.Run) -> None:
        super().__init__(session, run)
        self._away: dict[_Place, _Away] = {}
        self._coming: dict[_Place, Task] = {}
        """The tasks that bring contents home."""
        self._scoped: list[list[Tensor]] = []

    # ---- submits ---------------------------------------------------------------------------------------------------

    # In Python, where contents are followed: the native half submits plain tasks without it.
    submit_next_level = Orchestrator._submit_next_level
    submit_sub = Orchestrator._submit_sub

    def submit_many(
        self,
        handle: CallableHandle,
        args_list: Sequence[TaskArgs | None],
        config: CallConfig | None = None,
        *,
        workers: int | Iterable[int] | None = None,
        after: Iterable[Task] = (),
    ) -> list[Task]:
        """As Orchestrator.submit_many."""
        given, earlier = list(args_list), list(after)
        if workers is None:
            return [self.submit_sub(handle, args, config, after=earlier) for args in given]
        places = [workers] * len(given) if isinstance(workers, int) else list(workers)
        if len(places) != len(given):
            raise ConfigurationError(f"{len(given)} arguments for {len(places)} workers: one for each")
        return [
            self.submit_next_level(handle, args, config, worker=worker, after=earlier)
            for args, worker in zip(given, places, strict=True)
        ]

    def _submit(
        self,
        callable_: _core.CallableRef,
        args: TaskArgs | None,
        placement: int,
        config: CallConfig | None,
        after: Iterable[Task],
    ) -> Task:
        native = native_args(args, self._session.pool)
        used = [] if native is None else native.tensors()
        hosted = self._is_hosted(placement)
        for tensor, _ in used:
            self._bring_for(tensor, placement if hosted else None)
        earlier = self._earlier(after) if after else []
        settings = native_config(config, keeps=hosted)
        if hosted and any(tensor.nbytes >= transfer.LARGE for tensor, _ in used):
            self._session.watch_end(self._run)
        task = self._submit_native(callable_, native, placement, settings, earlier)
        if hosted:
            for tensor, tag in used:
                if tag in WRITES and tensor.nbytes >= transfer.LARGE:
                    self._away[_place_of(tensor)] = _Away(tensor, placement)
                    _core.set_away(tensor, self._fetch)
        return task

    def _submit_group(
        self,
        callable_: _core.CallableRef,
        args_list: Sequence[TaskArgs | None],
        placements: list[int],
        config: CallConfig | None,
        after: Iterable[Task],
    ) -> GroupTask:
        natives = [native_args(args, self._session.pool) for args in args_list]
        used = [[] if native is None else native.tensors() for native in natives]
        if any(map(self._is_hosted, placements)):
            _refuse_meeting(used)
            self._session.watch_end(self._run)
        for tensor, _ in (one for member in used for one in member):
            self._bring_for(tensor, None)
        return super()._submit_group(callable_, args_list, placements, config, after)

    def _is_hosted(self, placement: int) -> bool:
        nodes = self._session.topology.nodes
        return 0 <= placement < len(nodes) and nodes[placement].on is not None

    # ---- bringing contents home ------------------------------------------------------------------------------------

    def _bring_for(self, tensor: Tensor, node: int | None) -> None:
        """Brings what a task needs here: all that meets ``tensor``, but on a node not the very same view."""
        if not self._away or not tensor.size:
            return
        place = _place_of(tensor)
        for other in [other for other in self._away if other.meets(place)]:
            if node is None or other != place:
                self._move(other, transfer.BRING)

    def _move(self, place: _Place, how: int) -> Task:
        away = self._away.pop(place)
        native = _core.TaskArgs()
        native.add_tensor(away.tensor, int(Tag.INOUT))
        native.add_scalar(how)
        handle = self._session.transfer_handle()
        callable_ = self._session.registry.resolve(handle, self._next_level_namespace, "submit_next_level")
        settings = _core.CallConfig(retries=transfer.RETRIES)
        task = self._submit_native(callable_, native, away.node, settings, [])
        if how == transfer.BRING:
            self._coming[place] = task
        return task

    def _fetch(self, tensor: Tensor) -> None:
        """Called when the program reads a tensor whose content may be away: waits until it is here."""
        _core.set_away(tensor, None)
        place = _place_of(tensor)
        for other in [other for other in self._away if other.meets(place)]:
            self._move(other, transfer.BRING)
        failed = None
        for other in [other for other in self._coming if other.meets(place)]:
            failed = failed or self._coming[other].exception()
            del self._coming[other]
        left = [other for other in (*self._away, *self._coming) if other.arena == place.arena]
        if left:
            _core.set_away(tensor, self._fetch)  # other parts of its buffer may still be away
        if failed is not None:
            raise failed

    def _call(self, orchestrate: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        """As Orchestrator._call, and brings what is away home; if the function fails, its contents are undefined."""
        try:
            value = orchestrate(*given)
            for place in list(self._away):
                self._move(place, transfer.BRING)
        except BaseException:
            for away in self._away.values():
                _core.set_away(away.tensor, None)
            self._away.clear()
            raise
        return value

    # ---- tensors of scopes -----------------------------------------------------------------------------------------

    def alloc(self, shape: int | Sequence[int], dtype: Any = "float32") -> Tensor:
        """As Orchestrator.alloc."""
        tensor = super().alloc(shape, dtype)
        if self._scoped:
            self._scoped[-1].append(tensor)
        return tensor

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """As Orchestrator.scope."""
        self._scoped.append([])
        with super().scope():
            try:
                yield
            finally:
                self._drop(self._scoped.pop())

    def _drop(self, tensors: list[Tensor]) -> None:
        for place in [_place_of(tensor) for tensor in tensors if tensor.size]:
            for other in [other for other in self._away if other.meets(place)]:
                _core.set_away(self._away[other].tensor, None)
                self._move(other, transfer.DROP)


def _place_of(tensor: Tensor) -> _Place:
    arena, begin, end = _core.bytes_of(tensor)
    return _Place(arena, begin, end, (tensor.shape, tensor.strides, tensor.dtype))


def _refuse_meeting(members: list[list[tuple[Tensor, int]]]) -> None:
    """Raises ConfigurationError if members of a group would exchange values in memory."""
    for number, member in enumerate(members):
        written = [_place_of(tensor) for tensor, tag in member if tag in (*WRITES, Tag.NO_DEP) and tensor.size]
        for other, used in enumerate(members):
            if other != number and any(
                place.meets(_place_of(tensor)) for place in written for tensor, _ in used if tensor.size
            ):
                raise ConfigurationError(
                    f"members {number} and {other} of the group meet in memory; on other machines each has its own "
                    "copy: give each member tensors of its own"
                )
