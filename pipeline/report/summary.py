"""The summary at the end of a run, as rows and lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.common.counts import count_of, duration
from pipeline.terminal.columns import aligned
from pipeline.workloads.base import verification_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLUMNS = ("callable", "hash", "tasks", "median", "p99", "max", "median wait")
"""Titles of ``summary_rows``."""
_SHORT_HASH = 8
_INDENT = "  "


def summary_text(document: Mapping[str, Any]) -> str:
    """The summary of a result document (result.py): tasks by callable, then the outcome."""
    rows = summary_rows(document)
    lines = [*(aligned([COLUMNS, *rows], 2) if rows else ()), *outcome_lines(document)]
    return "".join(f"{line}\n" for line in lines)


def summary_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row for each callable that had tasks: name, short hash, number of tasks, execution times, median wait.

    Callables whose tasks were submitted inside nodes follow, with indented names.
    """
    hashes: dict[str, str] = {}
    for record in document["callables"]:
        name = record["name"]
        hashes[name] = record["hashid"].partition(":")[2][:_SHORT_HASH]
    rows = []
    for depth, level in enumerate(levels(document["tasks"])):
        for name, tasks in level["callables"].items():
            execution, queue = tasks["execution_seconds"] or {}, tasks["queue_seconds"] or {}
            times = [duration(execution.get(key)) for key in ("median", "p99", "max")]
            short = hashes.get(name.partition("/")[0], "")
            shown = _INDENT * depth + name
            rows.append((shown, short, f"{tasks['count']:,}", *times, duration(queue.get("median"))))
    return rows


def levels(tasks: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The ``tasks`` of a result document, then of each level below."""
    level: Mapping[str, Any] | None = tasks
    while level is not None:
        yield level
        level = level["below"]


def outcome_lines(document: Mapping[str, Any]) -> list[str]:
    """The outcome: the verification's message, then status, workload, topology and time. Errors were printed before."""
    verification = document["verification"]
    lines = []
    if verification is not None:
        lines.append(f"{verification_word(verification['passed']):<11} {verification['message']}")
    tasks, *below = (level["count"] for level in levels(document["tasks"]))
    further = f" and {sum(below):,} below {'it' if tasks == 1 else 'them'}" if below else ""
    lines.append(
        f"{document['status']:<11} {document['workload']} on {document['topology']} ({document['target']}, "
        f"{document['build']}): {count_of(tasks, 'task')}{further} in {duration(document['seconds'])}"
    )
    return lines
