"""METG as rows of the benchmark, as tables, and as the section of the performance page."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable
from typing import Any

from tests.benchmark.measure import OURS, SUBMITTED, Row, duration
from tests.benchmark.spent import CLOCKS
from tests.benchmark.table import command_of, figure, rows_of

SUB_WORKERS = "callring, sub-workers"
"""Beside measure.OURS, which is a captured launch, and measure.SUBMITTED."""
NONE = "none"
"""In a table: half was not reached."""

_SECTION = """
## The smallest task that is worth its cost

METG(50 %) of Task Bench (Slaughter et al., SC'20): the smallest mean duration of a task, in microseconds, at which half
of all time is the task's own work. Every task executes the same busy loop, and depends on tasks of the step before as
the pattern says. `{ours}` is a captured launch on chips; `{submitted}` the same tasks, submitted one by one from Python
with their arguments built in the loop; `{sub_workers}` likewise, with Python tasks on Python sub-workers. OpenMP has
tasks with `depend`, oneTBB a flow graph that is built once; both are threads of one process. Processor time is that of
all processes; time by the clock counts for as many cores as there are workers, but not more than the machine has
({cores}). Medians of the rounds; none where half is not reached.

```text
{command}
```

Measured on {day}.

![The smallest task that is worth its cost](../pictures/metg.svg)
"""


def rows(pattern: str, workers: int, found: dict[str, dict[str, list[float]]]) -> list[Row]:
    """A row for each clock."""
    result = [_row(clock, pattern, workers) for clock in CLOCKS]
    for clock, row in zip(CLOCKS, result, strict=True):
        row.figures.update(found[clock])
    return result


def _row(clock: str, pattern: str, workers: int) -> Row:
    return duration(f"METG by {clock}, {pattern}, {workers} workers", "us")


def key(row: Row) -> tuple[str, str, int]:
    """The clock, the pattern and the number of workers of a row."""
    match = re.fullmatch(r"METG by (\w+), (\w+), (\d+) workers", row.name)
    if match is None:
        raise ValueError(f"{row.name!r} is no row of METG")
    return match[1], match[2], int(match[3])


def contenders_of(measured: Iterable[Row]) -> list[str]:
    """The contenders in these rows, in their order."""
    return list(dict.fromkeys(name for row in measured for name in row.figures))


def tables(measured: list[Row]) -> list[str]:
    """Lines of a Markdown table for each clock: microseconds by pattern and workers, and contender."""
    names = contenders_of(measured)
    lines: list[str] = []
    for clock in CLOCKS:
        lines += ["", f"### {CLOCKS[clock]}", "", f"| pattern | workers | {' | '.join(names)} |"]
        lines += [f"| --- | --- |{' --- |' * len(names)}"]
        for row in measured:
            of, pattern, workers = key(row)
            if of == clock:
                cells = [_cell(row.figures.get(name, [])) for name in names]
                lines.append(f"| {pattern} | {workers} | {' | '.join(cells)} |")
    return lines


def _cell(rounds: list[float]) -> str:
    return figure(statistics.median(rounds)) if rounds else NONE


def measured_in(page: str) -> list[Row]:
    """The rows whose tables a page has, with the medians that stand there."""
    found: list[Row] = []
    for clock, title in CLOCKS.items():
        part = page.partition(f"### {title}\n")[2].partition("\n#")[0]
        head, *lines = re.findall(r"^\| (?!---)(.+) \|$", part, flags=re.MULTILINE) or [""]
        for line in lines:
            pattern, workers, *cells = line.split(" | ")
            figures = dict(zip(head.split(" | ")[2:], cells, strict=True))
            found.append(_row(clock, pattern, int(workers)))
            found[-1].figures.update({n: [float(c.replace(",", ""))] for n, c in figures.items() if c != NONE})
    return found


def section(results: dict[str, Any]) -> str:
    """The section of the page, from the JSON of a run."""
    head = _SECTION.format(
        ours=OURS,
        submitted=SUBMITTED,
        sub_workers=SUB_WORKERS,
        cores=results["machine_info"]["cpu"]["count"],
        command=command_of(results),
        day=results["datetime"][:10],
    )
    left_out = "".join(f"\nLeft out: {each}.\n" for each in results["left_out"])
    return head + left_out + "\n".join(tables(rows_of(results))) + "\n"
