"""model: computes the virtual time of the workload on modelled chips, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.chip_model import KEY
from pipeline.report.virtual import VirtualRecord, virtual_words
from runtime.errors import ConfigurationError
from runtime.virtual.chip_model import TaskCost
from runtime.virtual.virtual_time import compute

if TYPE_CHECKING:
    from pipeline.config.chip_model import Modelled
    from pipeline.plan.recorder import Recording
    from pipeline.run.stage_results import Described
    from pipeline.terminal.console import Console


def model(described: Described, console: Console) -> VirtualRecord:
    """Records the task graph, computes its virtual time and prints it in one line.

    Raises:
        ConfigurationError: the graph is not known before it runs, or a Python callable has no cost.
        Also every error of the workload's ``prepare`` and ``orchestrate``.
    """
    from pipeline.plan.recorder import record

    modelled, workload = described.modelled, described.to_record
    assert modelled is not None
    assert workload is not None
    chips, python = described.chip_callables, described.python_callables
    names = [*(spec.name for spec in chips), *(spec.name for spec in python)]
    computed = virtual_record(described, modelled, record(workload, names))
    console.line(f"{'modelled':<12}{virtual_words(computed)}")
    return computed


def virtual_record(described: Described, modelled: Modelled, recording: Recording) -> VirtualRecord:
    """The virtual time of a recording; see ``model``."""
    if not recording.planned.complete:
        raise ConfigurationError(
            f"{KEY}: the orchestration of {described.workload_name} waits for results; "
            "its graph is known only when it runs, and has no virtual time"
        )
    python = {spec.name for spec in described.python_callables}
    missing = [name for name in recording.callables if name in python and name not in modelled.costs]
    if missing:
        raise ConfigurationError(
            f"{KEY}.costs.{missing[0]}: missing; a chip model has no cost of Python callables: give one, for instance "
            f"'+{KEY}.costs.{missing[0]}={{core_ns: 1000}}'"
        )
    chips = range(described.tree.chips)
    time = compute(
        recording.demands,
        [(chip, modelled.chip) for chip in chips],
        described.tree.sub_workers,
        modelled.dispatch_ns,
        [(name, modelled.costs.get(name, TaskCost())) for name in recording.callables],
    )
    counts: dict[str, int] = {}
    for task in recording.planned.tasks:
        counts[task.callable] = counts.get(task.callable, 0) + 1
    return VirtualRecord(
        model=modelled.name,
        workload=described.workload_name,
        chips=described.tree.chips,
        sub_workers=described.tree.sub_workers,
        tasks=len(recording.planned.tasks),
        edges=recording.planned.edges,
        makespan_ns=time.makespan_ns,
        critical_path_ns=time.critical_path_ns,
        one_by_one_ns=time.one_by_one_ns,
        chips_busy_ns=sum(busy for (kind, _), busy in time.busy_ns.items() if kind == "chip"),
        callables={name: {"tasks": counts[name], "work_ns": work} for name, work in time.work_ns.items()},
        spans=tuple(time.spans),
    )
