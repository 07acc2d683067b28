"""Graph: the tasks of one orchestration function, recorded once and launched any number of times."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NoReturn

from runtime import _core, pickled_names
from runtime.errors import ConfigurationError
from runtime.errors.wording import kind_of
from runtime.tensors.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.identity import CallableHandle
    from runtime.processes.topology import Topology
    from runtime.tensors.scalar import Scalar
    from runtime.virtual.chip_model import ChipModel, TaskCost
    from runtime.virtual.virtual_time import VirtualTime


class GraphTask(_core.GraphTaskRef):
    """A recorded task, on which later tasks can depend (``after=``). It has no result, because it does not run."""

    __slots__ = ()

    def result(self, timeout: float | None = None) -> object:
        """Raises ConfigurationError: nothing runs while a graph is recorded."""
        raise ConfigurationError(
            "a task that is being recorded has no result; write it to a tensor, and read that after a launch"
        )

    def __repr__(self) -> str:
        """Names the node."""
        return f"<GraphTask {self.node}>"


KEPT_BINDINGS = 8
"""Number of mappings of tensors that a graph keeps bound, for launches that alternate between them."""


class Graph:
    """A recorded task graph; made by ``Worker.capture``, run by ``Worker.launch``. Immutable.

    Example:
        >>> graph = worker.capture(lambda o: o.submit_sub(handle, args))
        >>> worker.launch(graph).result()
    """

    def __init__(self, native: _core.CapturedGraph, parameters: tuple[Scalar, ...], topology: Topology) -> None:
        self._native = native
        self._parameters = parameters
        self._topology = topology
        self._bindings: dict[tuple[int, ...], tuple[_core.GraphBinding, list[weakref.ref[Tensor]]]] = {}

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: a function that is pickled must not refer to a graph."""
        raise TypeError("cannot pickle a Graph: it stays in its process; pass on the function that captures it")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the scalars that a launch may replace."""
        return tuple(parameter.name for parameter in self._parameters)

    @property
    def edges(self) -> int:
        """Number of dependencies between the tasks."""
        return self._native.edge_count

    def virtual_time(
        self,
        model: ChipModel | Mapping[int, ChipModel],
        *,
        costs: Mapping[CallableHandle, TaskCost] | None = None,
        dispatch_ns: int = 0,
    ) -> VirtualTime:
        """Computes when the tasks would begin and end on modelled chips. Nothing runs: the Worker need not be started.

        Args:
            model: the model of every chip, or a mapping from the ids of chips to their models.
            costs: costs of callables, by their handles. A chip callable without a cost takes time for its bytes only.
            dispatch_ns: nanoseconds that the parent needs to hand over one task, up to 10**15.

        Raises:
            ConfigurationError: a chip without a model; a Python callable without a cost; a cost of a callable that the
                graph does not use; a task with a deadline, which limits measured time; a graph of nodes (level 4 and
                up), whose tasks are not known before they run; a time of more than a hundred years.
        """
        # Imported here: a run on real chips does not need this module.
        from runtime.virtual.modelled_graph import modelled

        return modelled(self._native, self._topology, model, costs or {}, dispatch_ns)

    def __len__(self) -> int:
        """Number of tasks; a group is one."""
        return len(self._native)

    def __repr__(self) -> str:
        """Names the numbers of tasks and edges."""
        return f"<Graph of {len(self)} tasks, {self.edges} edges>"

    def _bind(self, tensors: Mapping[Tensor, Tensor]) -> _core.GraphBinding | None:
        """The native arguments, in which ``tensors`` replace the recorded ones; a repeated mapping is bound once.

        A binding does not prolong the life of the tensors: it is dropped when the first Tensor object of the mapping
        is freed.

        Raises: TypeError (not Tensors), NativeError (they do not fit; see CapturedGraph::bind).
        """
        if not tensors:
            return None
        key = (*map(id, tensors), *map(id, tensors.values()))
        known = self._bindings.get(key)
        if known is not None:
            return known[0]
        named = (*tensors, *tensors.values())
        for tensor in named:
            if not isinstance(tensor, Tensor):
                raise TypeError(f"launch replaces Tensors by Tensors, not {kind_of(tensor)}")
        bound = self._native.bind(list(tensors.items()))
        bindings = self._bindings

        def forget(_: weakref.ref[Tensor]) -> None:
            bindings.pop(key, None)

        for oldest in list(bindings)[: max(0, len(bindings) + 1 - KEPT_BINDINGS)]:
            bindings.pop(oldest, None)
        bindings[key] = bound, [weakref.ref(tensor, forget) for tensor in named]
        return bound

    def _bits(self, scalars: Mapping[str, float]) -> list[int]:
        """A value for each parameter; an empty list if all keep their recorded values. Raises ConfigurationError."""
        unknown = [name for name in scalars if name not in self.parameters]
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise ConfigurationError(f"launch: no scalar parameter {unknown[0]!r}; this graph has {known}")
        if not scalars:
            return []
        return [_core.TaskArgs.scalar_bits(scalars.get(p.name, p.recorded)) for p in self._parameters]


pickled_names.keep(__name__)
