"""The end of a sweep: writes its tables and its page, and reports failed points."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from pipeline.baseline.verdict import compare_sweep
from pipeline.common.counts import count_of
from pipeline.common.places import run_directory_written, shown_path
from pipeline.config.schema import FOR_PEOPLE
from pipeline.exit_codes import CONFIGURATION, OK, READER_GONE
from pipeline.report.result import result_text
from pipeline.sweep.page import write_page
from pipeline.sweep.points import row_of, swept_keys, values_of
from pipeline.sweep.tables import same_columns, write_csv, write_parquet, write_table, write_virtual_table
from pipeline.terminal.console import Console
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from omegaconf import DictConfig

    from pipeline.baseline.comparison import Comparison
    from pipeline.sweep.page import Searched
    from pipeline.sweep.points import Point


def finish(folder: Path, points: Sequence[Point], config: DictConfig, searched: Searched | None) -> int:
    """Writes results.csv, results.parquet and sweep.html, and prints how every point ended.

    Args:
        folder: the sweep's directory.
        points: at least one, each with its result read.
        config: the sweep's configuration.
        searched: for a tuning, in which a point may be impossible if another one succeeded.

    Returns:
        The exit code of the sweep: the highest of its points; if all succeeded, that of the comparison.
    """
    output = config.output.name
    keys = swept_keys(points)
    codes = {point.exit_code for point in points}
    if searched is not None and OK in codes:
        codes.discard(CONFIGURATION)
    code = max(codes)
    comparisons: Sequence[Comparison | None] = [None] * len(points)
    errors: list[str] = []
    compared = io.StringIO()
    if config.compare:
        documents = [(values_of(point, keys), point.result) for point in points]
        slower, comparisons, errors = compare_sweep(documents, config.compare, config.compare_threshold, compared)
        code = code or slower
    pairs = list(zip(points, comparisons, strict=True))
    rows = same_columns([row_of(point, keys, comparison) for point, comparison in pairs])
    missing = unwritten = None
    try:
        with run_directory_written(folder, sweep=True):
            write_csv(folder / "results.csv", rows)
            missing = write_parquet(folder / "results.parquet", rows)
            write_page(folder / "sweep.html", pairs, keys, searched)
    except ConfigurationError as error:
        unwritten = f"{error.args[0]}; tables and page of the sweep are incomplete"
        errors.append(unwritten)
        code = code or CONFIGURATION
    if output == "json":
        print(result_text({"folder": str(folder), "swept": keys, "points": rows}))
    elif output in FOR_PEOPLE:
        console = Console(sys.stdout)
        console.line("")
        write_table(rows, keys, console)
        write_virtual_table(rows, keys, console)
        for line in compared.getvalue().splitlines():
            console.line(line)
        last = f"{'sweep':<12}{count_of(len(points), 'point')}"
        if not unwritten:
            last += f": {shown_path(folder / 'sweep.html')}, results.csv{'' if missing else ' and results.parquet'}"
        console.line(last)
    if missing:
        print(f"warning: {missing}", file=sys.stderr)
    for words in failures(points, keys):
        print(f"failed: {words}", file=sys.stderr)
    for words in errors:
        print(f"error: {words}", file=sys.stderr)
    return code


def failures(points: Sequence[Point], keys: Sequence[str]) -> list[str]:
    """A line for each failed point, with its values, exit code and error; points with the same error share a line."""
    by_cause: dict[tuple[int, str], list[Point]] = {}
    for point in points:
        if point.exit_code not in (OK, READER_GONE):
            lines = point.error.strip().splitlines() or [point.status]
            by_cause.setdefault((point.exit_code, lines[0] + (" ..." if len(lines) > 1 else "")), []).append(point)
    return [f"{_named(those, keys)}: exit code {code}: {why}" for (code, why), those in by_cause.items()]


def _named(points: Sequence[Point], keys: Sequence[str]) -> str:
    first = points[0]
    values = values_of(first, keys)
    where = f", see {shown_path(first.folder)}" if first.result and first.folder else ""
    if len(points) > 1:
        numbers = ", ".join(str(point.number) for point in points if point.number is not None)
        jobs = f" (jobs {numbers})" if numbers else ""
        return f"{len(points)} points{jobs}, the first {values}{where}"
    return f"{'point' if first.number is None else f'job {first.number}'} ({values}{where})"
