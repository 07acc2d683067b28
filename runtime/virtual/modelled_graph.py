"""A captured graph on modelled chips: looks up each chip's model and each callable's cost, and computes the times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runtime import _core
from runtime.errors import ConfigurationError
from runtime.errors.wording import kind_of
from runtime.processes.topology import NODE_LEVEL
from runtime.virtual.chip_model import ChipModel, TaskCost
from runtime.virtual.virtual_time import VirtualTime, compute

if TYPE_CHECKING:
    from runtime.identity import CallableHandle
    from runtime.processes.topology import Topology


def modelled(
    graph: _core.CapturedGraph,
    topology: Topology,
    model: ChipModel | Mapping[int, ChipModel],
    costs: Mapping[CallableHandle, TaskCost],
    dispatch_ns: int,
) -> VirtualTime:
    """See Graph.virtual_time."""
    if topology.level > NODE_LEVEL:
        raise ConfigurationError(
            f"virtual_time: a graph of level {topology.level} names nodes, whose tasks are not known before "
            f"they run; capture it at level {NODE_LEVEL}, with all chips below one Worker"
        )
    if graph.has_deadlines:
        raise ConfigurationError(
            "virtual_time: a task has a deadline, which is about measured time; capture the graph without "
            "CallConfig.deadline"
        )
    chips = _models(model, topology.chip_ids)
    return compute(_core.ModelledGraph(graph), chips, topology.sub_workers, dispatch_ns, _costs(graph, costs))


def _models(model: ChipModel | Mapping[int, ChipModel], chip_ids: tuple[int, ...]) -> list[tuple[int, ChipModel]]:
    """Id and model of each chip."""
    if isinstance(model, ChipModel):
        return [(chip, model) for chip in chip_ids]
    missing = [chip for chip in chip_ids if chip not in model]
    if missing:
        raise ConfigurationError(f"model: chip {missing[0]} has no model; give each chip of the Worker one")
    unknown = [chip for chip in model if chip not in chip_ids]
    if unknown:
        raise ConfigurationError(f"model: no chip {unknown[0]!r} in this Worker")
    for chip, of_chip in model.items():
        if not isinstance(of_chip, ChipModel):
            raise TypeError(f"model: chip {chip} has {kind_of(of_chip)}; give it a ChipModel")
    return [(chip, model[chip]) for chip in chip_ids]


def _costs(graph: _core.CapturedGraph, given: Mapping[CallableHandle, TaskCost]) -> list[tuple[str, TaskCost]]:
    """Label and cost of each callable, in the order of the graph's callables."""
    by_hashid = {}
    for handle, cost in given.items():
        if not isinstance(cost, TaskCost):
            raise TypeError(f"costs: {handle!r} has {kind_of(cost)}; give it a TaskCost")
        by_hashid[handle.hashid] = handle, cost
    costs = []
    for used in graph.callables:
        hashid = f"sha256:{used.digest.hex()}"
        named = by_hashid.pop(hashid, None)
        if named is None and not used.on_chips:
            raise ConfigurationError(
                f"costs: the Python callable {used.label} has no cost, and a chip's model does not contain one; give "
                "it a TaskCost, or TaskCost() if it takes no time",
                hashid=hashid,
            )
        costs.append((used.label, named[1] if named else TaskCost()))
    for handle, _ in by_hashid.values():
        raise ConfigurationError(f"costs: no task of the graph calls {handle!r}")
    return costs
