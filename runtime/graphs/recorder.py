"""Recorder: the orchestrator of a function whose graph is captured; no task runs meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime import _core, pickled_names
from runtime.errors import ConfigurationError
from runtime.failure import native_errors, submit_refused
from runtime.graphs.graph import Graph, GraphTask
from runtime.runs.orchestration import orchestration
from runtime.runs.orchestrator import Orchestrator, native_config, require_members
from runtime.runs.run_handle import require_several
from runtime.tensors.scalar import Scalar
from runtime.tensors.task_args import native_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runtime.options import CallConfig
    from runtime.session import Session
    from runtime.tensors.task_args import TaskArgs


class Recorder(Orchestrator):
    """An Orchestrator whose submits become nodes of a graph, and return GraphTasks.

    Tensors that ``alloc`` makes belong to the graph: every launch uses the same memory, so two launches that use them
    must not overlap in time.
    """

    def __init__(self, session: Session) -> None:
        self._graph = _core.CapturedGraph()
        super().__init__(session, self._graph, GraphTask)
        self._parameters: list[Scalar] = []

    def scalar(self, name: str, value: float) -> Scalar:
        """A scalar for TaskArgs: ``value``, unless ``Worker.launch(graph, scalars={name: ...})`` replaces it.

        Raises:
            ConfigurationError: the name is taken.
        """
        if any(parameter.name == name for parameter in self._parameters):
            raise ConfigurationError(f"scalar {name!r} exists already; give each scalar its own name")
        index = self._graph.add_parameter(_core.TaskArgs.scalar_bits(value))
        parameter = Scalar(name, index, value)
        self._parameters.append(parameter)
        return parameter

    def finish(self) -> Graph:
        """Ends the recording, and returns the graph."""
        self._graph.seal()
        return Graph(self._graph, tuple(self._parameters), self._session.topology)

    # ---- private ---------------------------------------------------------------------------------------------------

    def _submit(
        self,
        callable_: _core.CallableRef,
        args: TaskArgs | None,
        placement: int,
        config: CallConfig | None,
        after: Iterable[Any],
    ) -> Any:
        return self._record(callable_, [args], [placement], config, after, group=False)

    def _submit_group(
        self,
        callable_: _core.CallableRef,
        args_list: Sequence[TaskArgs | None],
        placements: list[int],
        config: CallConfig | None,
        after: Iterable[Any],
    ) -> Any:
        require_members(placements)
        return self._record(callable_, args_list, placements, config, after, group=True)

    def _record(
        self,
        callable_: _core.CallableRef,
        args_list: Sequence[TaskArgs | None],
        placements: list[int],
        config: CallConfig | None,
        after: Iterable[Any],
        *,
        group: bool,
    ) -> GraphTask:
        earlier = []
        require_several("after", after, GraphTask, "tasks, which a submit returns")
        for task in after:
            if not isinstance(task, GraphTask) or task._graph is not self._graph:
                raise ConfigurationError(f"after: {task!r} is not a task of the graph that is being captured")
            earlier.append(task.node)
        uses = [
            (member, position, self._index_of(parameter))
            for member, args in enumerate(args_list)
            if args is not None
            for position, parameter in args._parameters or ()
        ]
        natives = [native_args(args, self._session.pool) for args in args_list]
        settings = native_config(config)
        try:
            node = self._graph.record(callable_, natives, placements, group, settings, earlier, uses)
        except native_errors() as error:
            raise submit_refused(error, callable_) from None
        return GraphTask(self._graph, node)

    def _index_of(self, parameter: Scalar) -> int:
        if parameter not in self._parameters:
            raise ConfigurationError(f"{parameter!r} belongs to another graph; make one with scalar() of this recorder")
        return parameter.index


def capture(session: Session, target: Callable[..., Any], args: Any, config: CallConfig | None) -> Graph:
    """Records the tasks that an orchestration function submits; see Worker.capture."""
    session.require_open("capture")
    recorder = Recorder(session)
    orchestrate, taken = orchestration(target, session.topology)
    orchestrate(*(recorder, args, config)[:taken])
    return recorder.finish()


pickled_names.keep(__name__)
