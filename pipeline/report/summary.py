"""The summary at the end of a run: a table on a terminal, aligned plain lines in a pipe; the same words in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from pipeline.counts import count_of
from pipeline.workloads.base import verification_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_COLUMNS = ("callable", "hash", "tasks", "median", "p99", "max", "median wait")
_SHORT_HASH = 8
_INDENT = "  "


def write_summary(document: Mapping[str, Any], out: TextIO) -> None:
    """Writes the summary of a result document (result.py): tasks by callable, then what came out, in two lines."""
    rows = summary_rows(document)
    if rows and out.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table()
        for position, column in enumerate(_COLUMNS):
            table.add_column(column, justify="left" if position < 2 else "right")
        for row in rows:
            table.add_row(*row)
        Console(file=out).print(table)
    elif rows:
        write_aligned(out, [_COLUMNS, *rows], 2)
    out.writelines(f"{line}\n" for line in outcome_lines(document))


def summary_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row for each callable that had tasks: name, short hash, number of tasks, execution times, median wait.

    Below, with their names further to the right, those whose tasks were submitted within nodes.
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
            rows.append((shown, short, str(tasks["count"]), *times, duration(queue.get("median"))))
    return rows


def levels(tasks: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The ``tasks`` of a result document, then of each level below."""
    level: Mapping[str, Any] | None = tasks
    while level is not None:
        yield level
        level = level["below"]


def outcome_lines(document: Mapping[str, Any]) -> list[str]:
    """What came out: the verification's words, then status, workload, topology and time. Errors were said before."""
    verification = document["verification"]
    lines = []
    if verification is not None:
        lines.append(f"{verification_word(verification['passed']):<11} {verification['message']}")
    tasks, *below = (level["count"] for level in levels(document["tasks"]))
    further = f" and {sum(below)} below {'it' if tasks == 1 else 'them'}" if below else ""
    lines.append(
        f"{document['status']:<11} {document['workload']} on {document['topology']} ({document['target']}, "
        f"{document['build']}): {count_of(tasks, 'task')}{further} in {duration(document['seconds'])}"
    )
    return lines


def duration(seconds: float | None) -> str:
    """A duration for people, three digits and a unit; ``-`` if there is none."""
    if seconds is None:
        return "-"
    for factor, unit in ((1e9, "ns"), (1e6, "us"), (1e3, "ms")):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def write_aligned(out: TextIO, rows: Sequence[Sequence[str]], left: int) -> None:
    """Writes lines whose columns are as wide as their widest entry: the first ``left`` to the left, numbers right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        out.write("  ".join(cells).rstrip() + "\n")
