"""sweep.html, a single file: the swept parameters, the figures, and every point with a link to its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.baseline.comparison import ratio_words
from pipeline.common.counts import count_of
from pipeline.common.files import write_atomically
from pipeline.exit_codes import CONFIGURATION
from pipeline.report.figures import comparison_figures
from pipeline.report.frame import framed
from pipeline.report.outputs import REPORT
from pipeline.report.units import page_duration
from pipeline.sweep.curves import charts_of
from pipeline.sweep.points import values_of, workloads_of
from pipeline.sweep.titles import key_words, sweep_title
from pipeline.sweep.tuning_charts import tuning_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.baseline.comparison import Comparison
    from pipeline.sweep.points import Point

_SCRIPT = Path(__file__).with_name("assets") / "sweep.js"


class Searched(NamedTuple):
    """The objective of a tuning."""

    objective: Callable[[Point], float | None]
    """Its value for each point in seconds; None without a value."""
    name: str


def write_page(
    path: Path,
    pairs: Sequence[tuple[Point, Comparison | None]],
    keys: Sequence[str],
    searched: Searched | None = None,
) -> None:
    """Writes the page in one step; links lead to the points' own reports, relative to it.

    Args:
        path: the path of sweep.html.
        pairs: at least one point, each with its result read, and its comparison if there is one.
        keys: the swept keys.
        searched: for a tuning, whose points may be impossible.
    """
    document = page_document(path.parent, pairs, keys, searched)
    write_atomically(path, framed(document["title"], _summary(document), document, [_SCRIPT]).encode())


def page_document(
    folder: Path,
    pairs: Sequence[tuple[Point, Comparison | None]],
    keys: Sequence[str],
    searched: Searched | None,
) -> dict[str, Any]:
    """The data that the page draws; see assets/sweep.js."""
    points = [point for point, _ in pairs]
    done = [point for point in points if point.result]
    best = _best(points, searched)
    compared = [(values_of(point, keys), comparison) for point, comparison in pairs if comparison is not None]
    tuned = searched is not None
    return {
        "title": sweep_title(workloads_of(done), keys, tuned=tuned),
        "where": _where(done[0].result) if done else "No point has a result.",
        "cards": _cards(points, keys, best, searched),
        "causes": _causes(points, keys, tuned),
        "figures": _figures(points, keys, searched),
        "comparison": comparison_figures(_intervals(compared)) if compared else [],
        "keys": [(key_words(key), key) for key in keys],
        "points": [
            _row(folder, point, comparison, keys, is_best=point is best, tuned=tuned) for point, comparison in pairs
        ],
        "provenance": _provenance(done[0].result) if done else None,
    }


def _figures(points: Sequence[Point], keys: Sequence[str], searched: Searched | None) -> list[dict[str, str]]:
    if searched is not None:
        return tuning_figures(points, keys, searched.objective, f"time of {searched.name}")
    return charts_of(points, keys)


def _intervals(compared: Sequence[tuple[str, Comparison]]) -> dict[str, Any]:
    """A comparison chart with a line for the whole run of each point."""
    lines = []
    for name, comparison in compared:
        ratio = comparison.ratio
        ends = {"ratio": ratio.ratio, "low": ratio.low, "high": ratio.high, "verdict": ratio.verdict}
        lines.append({"what": name, **ends, "words": ratio_words(ratio)[2]})
    return {"lines": lines}


def _state(point: Point, *, tuned: bool) -> str:
    """The state of a point; an impossible point of a tuning is no failure."""
    return "infeasible" if tuned and point.exit_code == CONFIGURATION else point.status


def _best(points: Sequence[Point], searched: Searched | None) -> Point | None:
    def figure(point: Point) -> float | None:
        if searched is not None:
            return searched.objective(point)
        if point.measured:
            return point.quartiles[1]
        return point.virtual_ns / 1e9 if point.virtual_ns else None

    ended = [(value, i) for i, point in enumerate(points) if (value := figure(point)) is not None]
    return points[min(ended)[1]] if ended else None


def _cards(
    points: Sequence[Point], keys: Sequence[str], best: Point | None, searched: Searched | None
) -> list[tuple[str, str, str, str]]:
    """Title, value, further text and kind of each card."""
    states = [_state(point, tuned=searched is not None) for point in points]
    impossible = states.count("infeasible")
    failed = len(points) - states.count("ok") - impossible
    cards = [("Points", f"{len(points):,}", f"{states.count('ok'):,} succeeded", "")]
    cards.append(("Failed", f"{failed:,}", "see what failed" if failed else "none", "bad" if failed else "good"))
    if impossible:
        cards.append(("Infeasible", f"{impossible:,}", "impossible combinations of values", ""))
    if best is not None:
        at = ", ".join(f"{key_words(key)} {best.values.get(key, '')}" for key in keys) or "the one point"
        if best.measured:
            seconds = searched.objective(best) if searched is not None else best.quartiles[1]
            cards.append(("Fastest", page_duration(seconds), at, ""))
        else:
            cards.append(("Fastest, modelled", page_duration((best.virtual_ns or 0) / 1e9), at, ""))
    return cards


def _causes(points: Sequence[Point], keys: Sequence[str], tuned: bool) -> list[dict[str, Any]]:
    """The failed points, grouped by error."""
    found: dict[tuple[int, str], list[Point]] = {}
    for point in points:
        if point.exit_code:
            found.setdefault((point.exit_code, point.error), []).append(point)
    return [
        {
            "kind": _state(those[0], tuned=tuned),
            "code": code,
            "error": error,
            "points": [values_of(point, keys) for point in those],
        }
        for (code, error), those in found.items()
    ]


def _row(
    folder: Path, point: Point, comparison: Comparison | None, keys: Sequence[str], *, is_best: bool, tuned: bool
) -> dict[str, Any]:
    """The table row of a point; durations are seconds, or null."""
    runs = point.result.get("measurements", {}).get("run_seconds", [])
    low, middle, high = point.run_seconds or (None, None, None)
    virtual = point.result.get("virtual")
    row: dict[str, Any] = {
        "job": point.number,
        "link": _link(folder, point),
        "values": [point.values.get(key, "") for key in keys],
        "status": _state(point, tuned=tuned),
        "best": is_best,
        "runs": len(runs),
        "times": [middle, low, high, min(runs, default=None), max(runs, default=None)],
        "tasks": point.result.get("tasks", {}).get("count"),
        "virtual": None,
        "compared": None,
    }
    if virtual:
        row["virtual"] = [virtual["model"], virtual["makespan_ns"], virtual["critical_path_ns"], virtual["chips_busy"]]
    if comparison is not None:
        ratio, interval, words = ratio_words(comparison.ratio)
        row["compared"] = [comparison.ratio.ratio, f"{ratio} ({interval})", words, comparison.ratio.verdict]
    return row


def _link(folder: Path, point: Point) -> str | None:
    """The path of a point's report, else of its directory, relative to the page."""
    if point.folder is None or not point.folder.is_relative_to(folder):
        return None
    inside = point.folder.relative_to(folder).as_posix()
    return f"{inside}/{REPORT}" if (point.folder / REPORT).is_file() else f"{inside}/"


def _where(result: Mapping[str, Any]) -> str:
    machine = result["provenance"]["machine"]
    words = [
        f"target {result['target']}",
        f"build {result['build']}",
        str(result["provenance"]["time"]),
        machine["cpu"] or machine["architecture"],
        count_of(machine["cores"], "core"),
    ]
    return " \u00b7 ".join(words)


def _provenance(result: Mapping[str, Any]) -> dict[str, Any]:
    provenance = result["provenance"]
    git = provenance["git"]
    return {
        "commit": f"{git['commit']}{' with changes' if git['modified'] else ''}" if git else "not in a checkout",
        "Python": provenance["python"],
        "compiler": provenance["compiler"] or "none",
        "callables": [(c["name"], c["hashid"]) for c in result["callables"]],
    }


def _summary(document: Mapping[str, Any]) -> str:
    """The points as lines of text, for readers without scripts."""
    lines = [document["title"], document["where"], ""]
    for row in document["points"]:
        values = " ".join(f"{key}={value}" for (_, key), value in zip(document["keys"], row["values"], strict=True))
        lines.append(f"job {row['job']}  {row['status']}  {page_duration(row['times'][0])}  {values}")
    return "\n".join(lines)
