"""What limits a run, in one or two sentences with advice, from its critical path and the workers' busy times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.common.counts import count_of
from pipeline.report.critical_path import BETWEEN_RUNS, COMPLETION, EXECUTION, HAND_OVER, SUBMISSION
from pipeline.report.units import page_duration
from pipeline.report.what_if import what_ifs

if TYPE_CHECKING:
    from pipeline.report.record import RunRecord

_MUCH = 0.3
"""Share of a run from which a part counts as its limit."""
_WORTH_SAYING = 1.1
"""The least gain in speed that is reported."""
_UNEVEN = 1.25
"""The ratio of a chip's work to the others' from which it is reported."""


def diagnosis(record: RunRecord, timeline: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The diagnosis of a successful run; None for a failed one, which has an error instead.

    Args:
        record: the record of the run.
        timeline: the result of timeline.py.

    Returns:
        ``sentences``; ``what_if``: ``callable`` and ``gain``, how many times as fast the run is if the callable is
        twice as fast; ``run``: the number of the replayed run.
    """
    if record.error or timeline is None or not timeline["path_segments"]:
        return None
    run, answers = (0, []) if record.trace.nodes else what_ifs(record.trace.tasks, record.warm_up)
    names = record.names
    found = [{"callable": names.get(one.hashid, one.hashid), "gain": one.gain} for one in answers]
    sentences = [*_limit(record, timeline), *_what_if(found), *_balance(timeline["workers"])]
    return {"sentences": sentences, "what_if": found, "run": run}


def _limit(record: RunRecord, timeline: Mapping[str, Any]) -> list[str]:
    parts = {kind: ns for kind, ns in timeline["path_ns"].items() if kind != BETWEEN_RUNS}
    whole = sum(parts.values())
    kind = max(parts, key=lambda kind: parts[kind])
    if not whole or parts[kind] < _MUCH * whole:
        return []
    share = f"{100 * parts[kind] / whole:.0f} % of the run"
    return [
        {
            SUBMISSION: f"{share} waited for submission: the orchestration function is the limit{_capture(record)}.",
            HAND_OVER: f"{share} is hand-over, from a task's release to its begin: {_larger(timeline)}.",
            EXECUTION: f"{share} is execution on the critical path{_most(timeline)}.",
            COMPLETION: f"{share} is completion, until the parent noticed ends of tasks: {_larger(timeline)}.",
        }[kind]
    ]


def _capture(record: RunRecord) -> str:
    workload = record.configuration.get("workload")
    settings = workload if isinstance(workload, Mapping) else {}
    runs = record.warm_up + len(record.run_seconds)
    if settings.get("capture") or record.trace.nodes:
        return ", though the graph is captured" if settings.get("capture") else ""
    if runs < 2:
        return ": fewer and larger tasks, or a captured graph that is launched again and again, spend less time on it"
    return f": try {'' if 'capture' in settings else '+'}workload.capture=true"


def _larger(timeline: Mapping[str, Any]) -> str:
    lengths = sorted(length for length, state in zip(timeline["tasks"][2], timeline["tasks"][4], strict=True) if state)
    middle = page_duration(lengths[len(lengths) // 2] / 1e9)
    return f"the median task takes {middle}, and larger tasks spend a smaller share on that"


def _most(timeline: Mapping[str, Any]) -> str:
    """The callable with most of the execution on the path."""
    kinds: Sequence[str] = timeline["path_kinds"]
    spent: dict[str, int] = {}
    for kind, _, length, task, _ in timeline["path"]:
        if kinds[kind] == EXECUTION and task >= 0:
            name = timeline["names"][timeline["tasks"][3][task]]
            spent[name] = spent.get(name, 0) + length
    if len(spent) < 2:
        return f" of {next(iter(spent))}" if spent else ""
    name = max(spent, key=lambda name: spent[name])
    return f", {100 * spent[name] / sum(spent.values()):.0f} % of it of {name}"


def _what_if(found: Sequence[Mapping[str, Any]]) -> list[str]:
    if not found or found[0]["gain"] < _WORTH_SAYING:
        return []
    best = found[0]
    return [f"With {best['callable']} twice as fast, the run would be {best['gain']:.2f} times as fast."]


def _balance(workers: Sequence[Mapping[str, Any]]) -> list[str]:
    chips = [worker for worker in workers if worker["kind"] == "chip"]
    idle = [chip for chip in chips if not chip["tasks"]]
    if idle and len(idle) < len(chips):
        return [f"{len(idle)} of {count_of(len(chips), 'chip')} had nothing to do."]
    if len(chips) < 2:
        return []
    most = max(chips, key=lambda chip: int(chip["busy_ns"]))
    others = sum(chip["busy_ns"] for chip in chips if chip is not most) / (len(chips) - 1)
    if not others or most["busy_ns"] < _UNEVEN * others:
        return []
    longer = 100 * (most["busy_ns"] / others - 1)
    words = "the other chip" if len(chips) == 2 else "the others"
    return [f"{most['name'][0].upper()}{most['name'][1:]} worked {longer:.0f} % longer than {words}."]
