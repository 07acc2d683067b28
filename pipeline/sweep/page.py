"""sweep.html, which needs nothing beside itself: curves over each swept parameter, and every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pipeline.baseline.comparison import ratio_words
from pipeline.common.counts import duration
from pipeline.common.files import write_atomically
from pipeline.sweep.chart import legend, svg
from pipeline.sweep.curves import charts_of
from pipeline.sweep.points import values_of, workloads_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.baseline.comparison import Comparison
    from pipeline.sweep.chart import Chart
    from pipeline.sweep.points import Point

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body><main>
<header><h1>{title}</h1><p>{where}</p></header>
{tiles}{failures}{charts}{table}
<footer>{footer}</footer></main></body></html>
"""


def write_page(path: Path, pairs: Sequence[tuple[Point, Comparison | None]], keys: Sequence[str]) -> None:
    """Writes the page in one step; links lead to the points' own directories, relative to it.

    Args:
        path: of sweep.html.
        pairs: at least one point, each with its result read, and its comparison if there is one.
        keys: the swept keys.
    """
    points = [point for point, _ in pairs]
    done = [point for point in points if point.result]
    first: Mapping[str, Any] = done[0].result if done else {}
    title = f"Sweep of {_joined(workloads_of(done)) or 'nothing that ran'}"
    text = _TEMPLATE.format(
        title=escape(title),
        style=files("pipeline.sweep").joinpath("page.css").read_text(),
        where=_where(first),
        tiles=_tiles(points, keys),
        failures=_failures(points, keys),
        charts=_charts(charts_of(points, keys)),
        table=_table(path.parent, pairs, keys),
        footer=_footer(first),
    )
    write_atomically(path, text.encode())


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)


def _charts(charts: Sequence[Chart]) -> str:
    if not charts:
        return ""
    figures = "".join(
        f"<figure><figcaption>{escape(chart.title)}</figcaption>{svg(chart)}{legend(chart)}</figure>"
        for chart in charts
    )
    note = (
        "Lines are medians of the measured runs; half of the runs lie in the shaded band. Point at a mark for numbers. "
        "Virtual time is computed on modelled chips, and has charts of its own."
    )
    return f'<section><h2>Curves</h2><p class="note">{note}</p><div class="charts">{figures}</div></section>'


def _where(result: Mapping[str, Any]) -> str:
    if not result:
        return "No point left a result."
    machine = result["provenance"]["machine"]
    words = [
        f"target {result['target']}, build {result['build']}",
        f"{machine['cpu'] or machine['architecture']}, {machine['cores']} cores",
        str(result["provenance"]["time"]),
    ]
    return " · ".join(escape(word) for word in words)


def _footer(result: Mapping[str, Any]) -> str:
    if not result:
        return ""
    provenance = result["provenance"]
    git = provenance["git"]
    commit = f"commit {git['commit'][:12]}{' (modified)' if git['modified'] else ''}" if git else "no commit known"
    versions = f"Python {provenance['python']}, {provenance['compiler'] or 'no compiler'}"
    hashids = "".join(f"<li>{escape(c['name'])} <code>{escape(c['hashid'])}</code></li>" for c in result["callables"])
    return f"<p>{escape(commit)} · {escape(versions)}. Callables of the first point:</p><ul>{hashids}</ul>"


def _median(point: Point) -> float | None:
    return point.run_seconds[1] if point.run_seconds else None


def _tiles(points: Sequence[Point], keys: Sequence[str]) -> str:
    failed = sum(point.exit_code != 0 for point in points)
    tiles = [("points", str(len(points)), ""), ("failed", str(failed), "bad" if failed else "good")]
    best = _best(points)
    if best is not None:
        values = ", ".join(f"{key.rpartition('.')[2]} {best.values.get(key, '')}" for key in keys)
        tiles.append(("fastest", duration(_median(best)), ""))
        tiles.append(("at", values or "the one point", ""))
    cells = "".join(
        f'<div class="tile {kind}"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value, kind in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _best(points: Sequence[Point]) -> Point | None:
    measured = [point for point in points if point.measured]
    return min(measured, key=lambda point: _median(point) or 0.0, default=None)


def _failures(points: Sequence[Point], keys: Sequence[str]) -> str:
    by_cause: dict[tuple[int, str], list[str]] = {}
    for point in points:
        if point.exit_code:
            by_cause.setdefault((point.exit_code, point.error), []).append(values_of(point, keys))
    if not by_cause:
        return ""
    items = ""
    for (code, error), those in by_cause.items():
        named = "; ".join(f"<b>{escape(values)}</b>" for values in those)
        items += f"<li>{named}: exit code {code}<pre>{escape(error)}</pre></li>"
    return f'<section class="failures"><h2>What failed</h2><ul>{items}</ul></section>'


def _table(folder: Path, pairs: Sequence[tuple[Point, Comparison | None]], keys: Sequence[str]) -> str:
    points = [point for point, _ in pairs]
    best = _best(points)
    numeric = ["runs", "median", "middle half", "fastest", "slowest", "tasks"]
    if any(comparison for _, comparison in pairs):
        numeric += ["times as long as before"]
    heads = ["job", *keys, "status", *numeric]
    head = "".join(f'<th class="{"n" if name in numeric else ""}">{escape(name)}</th>' for name in heads)
    slowest = max((_median(point) or 0.0 for point in points), default=0.0)
    rows = []
    for point, comparison in pairs:
        kind = "bad" if point.exit_code else "best" if point is best else ""
        cells = [_job_link(folder, point), *(escape(point.values.get(key, "")) for key in keys), escape(point.status)]
        numbers = _numbers(point, slowest)
        if len(numeric) > len(numbers):
            numbers.append(_compared(comparison))
        row = "".join(f"<td>{cell}</td>" for cell in cells) + "".join(f'<td class="n">{cell}</td>' for cell in numbers)
        rows.append(f'<tr class="{kind}">{row}</tr>')
    body = "".join(rows)
    return f"<section><h2>Every point</h2><div class='wide'><table><tr>{head}</tr>{body}</table></div></section>"


def _numbers(point: Point, slowest: float) -> list[str]:
    if not point.run_seconds:
        return ["0", *["-"] * 4, str(point.result.get("tasks", {}).get("count", "-"))]
    low, middle, high = point.run_seconds
    runs = point.result["measurements"]["run_seconds"]
    share = 100 * middle / slowest if slowest else 0
    bar = f'<i class="bar" style="width:{share:.1f}%"></i>{duration(middle)}'
    spread = f"{duration(low)} to {duration(high)}" if len(runs) > 1 else "-"
    return [str(len(runs)), bar, spread, duration(min(runs)), duration(max(runs)), str(point.result["tasks"]["count"])]


def _compared(comparison: Comparison | None) -> str:
    if comparison is None:
        return "-"
    ratio, interval, word = ratio_words(comparison.ratio)
    return f'<span class="{comparison.ratio.verdict}">{ratio} ({interval}) {word}</span>'


def _job_link(folder: Path, point: Point) -> str:
    if point.number is None:
        return "-"
    if not point.folder or not point.folder.is_relative_to(folder):
        return str(point.number)
    target = f"{point.folder.relative_to(folder).as_posix()}/"
    return f'<a href="{escape(target, quote=True)}">{point.number}</a>'
