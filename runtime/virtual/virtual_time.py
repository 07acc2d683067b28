"""VirtualTime: when the tasks of a graph would begin and end on modelled chips. Computed, not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runtime import pickled_names
from runtime.errors import ConfigurationError
from runtime.failure import native_errors
from runtime.numbers import integer
from runtime.virtual.chip_model import LONGEST_DELAY_NS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from runtime import _core
    from runtime.virtual.chip_model import ChipModel, TaskCost


class VirtualSpan(NamedTuple):
    """One task, or one member of a group, in virtual time: nanoseconds from the beginning of the graph."""

    task: int
    """Number of the task in its graph, from 0 in the order of submission."""
    callable: str
    """The label of its callable."""
    kind: str
    """``"chip"`` or ``"sub"``."""
    worker: int
    """Id of the chip, or of the sub-worker that was idle first and took the task."""
    begin_ns: int
    end_ns: int


class VirtualTime:
    """The virtual time of a graph on modelled chips; made by ``Graph.virtual_time``. Immutable.

    The same graph and the same model give the same numbers on every machine and in every run: they follow from the
    dependencies, the bytes and the declared costs, and no clock is read. They do not depend on this machine: do not
    compare them with measurements.
    """

    def __init__(
        self,
        bounds: tuple[int, int, int],
        rows: npt.NDArray[np.int64],
        labels: Sequence[str],
        chip_ids: Sequence[int],
        sub_workers: int,
    ) -> None:
        self._makespan, self._critical_path, self._one_by_one = bounds
        self._rows = rows  # task, callable, child, begin, end
        self._labels = tuple(labels)
        self._children = [*(("chip", chip) for chip in chip_ids), *(("sub", i) for i in range(sub_workers))]

    @property
    def makespan_ns(self) -> int:
        """The time from the beginning of the graph to the end of its last task; 0 without tasks."""
        return self._makespan

    @property
    def critical_path_ns(self) -> int:
        """The time of the longest chain of dependencies, hand-overs included. Never more than the makespan.

        The graph would take this time if no task waited for the parent or for a chip that is busy with another task.
        """
        return self._critical_path

    @property
    def one_by_one_ns(self) -> int:
        """The sum of all tasks' times and hand-overs: the time without any overlap. Never less than the makespan."""
        return self._one_by_one

    @property
    def spans(self) -> Iterator[VirtualSpan]:
        """Every task, in the order of submission; for a group, every member."""
        for task, callable_, child, begin, end in self._rows.tolist():
            kind, worker = self._children[child]
            yield VirtualSpan(task, self._labels[callable_], kind, worker, begin, end)

    @property
    def busy_ns(self) -> dict[tuple[str, int], int]:
        """How long each child executes, by kind (``"chip"``, ``"sub"``) and id; idle children included."""
        return dict(zip(self._children, self._sums(2, len(self._children)), strict=True))

    @property
    def work_ns(self) -> dict[str, int]:
        """The total time of each callable's tasks, by label; callables with the same label are added up."""
        sums: dict[str, int] = {}
        for label, busy in zip(self._labels, self._sums(1, len(self._labels)), strict=True):
            sums[label] = sums.get(label, 0) + busy
        return sums

    def _sums(self, column: int, count: int) -> list[int]:
        import numpy as np

        sums = np.zeros(count, np.int64)
        np.add.at(sums, self._rows[:, column], self._rows[:, 4] - self._rows[:, 3])
        return [int(value) for value in sums]

    def __repr__(self) -> str:
        """Names the three figures."""
        return (
            f"<VirtualTime {self.makespan_ns} ns; critical path {self.critical_path_ns} ns, "
            f"one by one {self.one_by_one_ns} ns>"
        )


def compute(
    graph: _core.ModelledGraph,
    chips: Sequence[tuple[int, ChipModel]],
    sub_workers: int,
    dispatch_ns: int,
    costs: Sequence[tuple[str, TaskCost]],
) -> VirtualTime:
    """The virtual time of a graph.

    Args:
        graph: the captured graph; its placements are positions in ``chips``, its callables are positions in ``costs``.
        chips: id and model of each chip.
        sub_workers: number of sub-workers.
        dispatch_ns: nanoseconds for which the parent is busy with handing over one task.
        costs: label and cost of each callable.

    Raises:
        ConfigurationError: ``dispatch_ns`` is out of range, or the tasks would take more than a hundred years.
    """
    integer("dispatch_ns", dispatch_ns, 0, LONGEST_DELAY_NS, " nanoseconds")
    try:
        *bounds, rows = graph.virtual_time(
            [(model.latency_ns, model.bandwidth, model.cores) for _, model in chips],
            sub_workers,
            dispatch_ns,
            [(cost.core_ns, cost.core_ns_per_byte) for _, cost in costs],
        )
    except native_errors() as error:
        raise ConfigurationError(f"virtual time: {error.args[1]}") from None
    makespan, critical_path, one_by_one = bounds
    return VirtualTime(
        (makespan, critical_path, one_by_one),
        rows,
        [label for label, _ in costs],
        [chip for chip, _ in chips],
        sub_workers,
    )


pickled_names.keep(__name__)
