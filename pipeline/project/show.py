"""Runs as lines of a terminal: a list, the summary of one run, or a comparison of two."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.baseline.comparison import compare_runs, write_comparison
from pipeline.baseline.earlier import load_earlier
from pipeline.common.counts import count_of, duration
from pipeline.common.places import shown_path
from pipeline.report.summary import summary_text
from pipeline.terminal.columns import aligned
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.project.left import Left

COLUMNS = ("run", "date", "workload", "topology", "verdict", "hash", "median")
_LATEST = 20
_SHORT_HASH = 8


def listed(left: Sequence[Left], *, everything: bool) -> str:
    """A line for each run or sweep, the newest first, with the median of its measured runs; for a sweep, the least."""
    if not left:
        return "no runs below this folder yet: run callring to make one\n"
    shown = left if everything else left[:_LATEST]
    lines = aligned([COLUMNS, *(_row(one) for one in shown)], len(COLUMNS) - 1)
    if len(shown) < len(left):
        lines.append(f"and {count_of(len(left) - len(shown), 'earlier run')}: callring show --all")
    return "".join(f"{line}\n" for line in lines)


def _row(one: Left) -> tuple[str, ...]:
    documents = one.documents()
    date = datetime.fromtimestamp(one.seconds).astimezone().strftime("%Y-%m-%d %H:%M")
    if not documents:
        return one.name, date, "", "", "cannot be read", "", "-"
    workloads, topologies = ({str(document[key]) for document in documents} for key in ("workload", "topology"))
    medians = [median(seconds) for document in documents if (seconds := _run_seconds(document))]
    return (
        one.name,
        date,
        _only(workloads, "workload"),
        _only(topologies, "topology", "topologies"),
        _verdicts(documents) if one.points else _verdict(documents[0]),
        _hashes(documents),
        duration(min(medians, default=None)),
    )


def _only(values: set[str], one: str, more: str = "") -> str:
    return values.pop() if len(values) == 1 else count_of(len(values), one, more)


def _run_seconds(document: dict[str, Any]) -> list[float]:
    return (document["measurements"] or {}).get("run_seconds") or []


def _verdict(document: dict[str, Any]) -> str:
    status = str(document["status"])
    if status != "ok":
        return status
    verification = document["verification"]
    return "verified" if verification and verification["passed"] else "ok"


def _verdicts(documents: Sequence[dict[str, Any]]) -> str:
    counts = Counter(_verdict(document) for document in documents)
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


def _hashes(documents: Sequence[dict[str, Any]]) -> str:
    hashids = dict.fromkeys(callable_["hashid"] for document in documents for callable_ in document["callables"])
    short = [hashid.removeprefix("sha256:")[:_SHORT_HASH] for hashid in hashids]
    return short[0] + (f" +{len(short) - 1}" if len(short) > 1 else "") if short else ""


def one(left: Left) -> str:
    """The summary of a run, or of each point of a sweep."""
    parts = [summary_text(document) for document in left.documents()]
    if not parts:
        raise ConfigurationError(f"show: the result of {left.name} cannot be read")
    return "\n".join(parts) + f"{'report':<12}{shown_path(left.page)}\n"


def compare(earlier: Left, later: Left, out: TextIO) -> None:
    """Compares two runs, or two sweeps by their points.

    Raises:
        ConfigurationError: one of them has no measurements, or they have no points in common.
    """
    runs = load_earlier(str(later.folder), f"show {later.name}")
    comparisons = compare_runs(runs, load_earlier(str(earlier.folder), f"show {earlier.name}"))
    names = [run.name.removeprefix(str(later.folder)).strip("/") for run in runs]
    compared = [(name, found) for name, found in zip(names, comparisons, strict=True) if found is not None]
    if not compared:
        raise ConfigurationError(f"show: no point of {later.name} has its counterpart in {earlier.name}")
    write_comparison(compared, out)
