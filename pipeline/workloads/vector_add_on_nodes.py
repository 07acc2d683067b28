"""The orchestration function of the nodes for the workload vector_add_on_nodes, and its expected result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.workloads.shares import shares
from runtime import Tag, TaskArgs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from runtime import CallableHandle, Orchestrator, TensorArgs


def add_on_chips(o: Orchestrator, args: TensorArgs, *, handles: Mapping[str, CallableHandle]) -> None:
    """Submits a task to each of the node's chips.

    Args:
        o: submits to the node's own children.
        args: left and right float32 (n,), and out float32 (n,), which is written.
        handles: the handles by name; ``add`` is one of them.
    """
    left, right, out = args[0], args[1], args[2]
    for chip, part in shares(left.shape[0], tuple(o.topology.chip_ids)):
        given = TaskArgs((left[part], Tag.INPUT), (right[part], Tag.INPUT), (out[part], Tag.OUTPUT))
        o.submit_next_level(handles["add"], given, worker=chip)


def expected(tensors: Mapping[str, npt.NDArray[Any]], sizes: Mapping[str, float]) -> dict[str, npt.NDArray[Any]]:
    """The sum: float32 addition is one correctly rounded operation (IEEE 754)."""
    del sizes
    return {"out": tensors["left"] + tensors["right"]}
