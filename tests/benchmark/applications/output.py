"""The applications as rows of the benchmark, as tables, and as the section of the performance page."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from tests.benchmark.measure import OURS, SUBMITTED, Row, duration
from tests.benchmark.spent import CLOCKS, Spent
from tests.benchmark.table import command_of, figure, rows_of

ALONE, OPENMP, NUMPY = "kernels alone", "OpenMP tasks", "NumPy"
CONTENDERS = (ALONE, OURS, SUBMITTED, OPENMP, NUMPY)
CONTIGUOUS, VIEWS = "contiguous", "2-D views"
LAYOUTS = (CONTIGUOUS, VIEWS)

_SECTION = """
## Applications

Tiled Cholesky and matmul, and a stencil with an exchange of halos, in double precision. Tiles and blocks are buffers of
their own (contiguous), or 2-D views of one matrix. `{alone}` executes the same kernels, compiled with the same flags,
on the same pieces in the same kind of memory, one after the other by a plain loop: the pure kernel time. `{ours}` is a
captured launch on chips; `{submitted}` the same tasks, submitted one by one from Python, with their views and arguments
built in the loop; `{openmp}` has the same tasks with `depend` in one process; `{numpy}` is one call, or for the stencil
operations on slices, by NumPy's own kernels and as many threads as it likes. Milliseconds, medians of the rounds.

The percentage is the efficiency: the pure kernel time, divided by the processor time of all processes, or by the time
by the clock of as many cores as there are workers, but not more than the machine has ({cores}). It can exceed 100 %
where each core has its own cache. Every result is compared with NumPy's.

```text
{command}
```

Measured on {day}.
"""


def rows(work: str, layout: str, workers: int, found: Mapping[str, list[Spent]]) -> list[Row]:
    """A row for each clock, in milliseconds."""
    made = []
    for clock in CLOCKS:
        row = duration(f"{work}, {layout}, {workers} workers, {clock}", "ms")
        row.figures.update({name: [1e3 * getattr(each, clock) for each in rounds] for name, rounds in found.items()})
        made.append(row)
    return made


def key(row: Row) -> tuple[str, str, int, str]:
    """The work, the layout, the number of workers and the clock of a row."""
    match = re.fullmatch(rf"(.+), ({'|'.join(LAYOUTS)}), (\d+) workers, ({'|'.join(CLOCKS)})", row.name)
    if match is None:
        raise ValueError(f"{row.name!r} is no row of the applications")
    return match[1], match[2], int(match[3]), match[4]


def efficiency(row: Row, contender: str, cores: int) -> float | None:
    """The pure kernel time as a part of what the contender spent, by medians; None if either is not known.

    Args:
        cores: how many cores the machine has.
    """
    clock, medians = key(row)[3], {name: statistics.median(rounds) for name, rounds in row.figures.items()}
    if contender in (ALONE, NUMPY) or not {ALONE, contender} <= set(medians):
        return None
    return medians[ALONE] / (medians[contender] * (min(key(row)[2], cores) if clock == "wall" else 1))


def tables(measured: list[Row], cores: int) -> list[str]:
    """Lines of a Markdown table for each clock, and of one that compares the layouts."""
    names = [name for name in CONTENDERS if any(name in row.figures for row in measured)]
    lines: list[str] = []
    for clock, title in CLOCKS.items():
        lines += _head(f"Applications {title.lower()}", ["work", "layout", "workers", *names])
        for row in measured:
            work, layout, workers, of = key(row)
            if of == clock:
                cells = [_cell(row, name, cores) for name in names]
                lines.append(f"| {' | '.join([work, layout, str(workers), *cells])} |")
    return lines + _layouts(measured, [name for name in names if name not in (ALONE, NUMPY)])


def _head(title: str, columns: list[str]) -> list[str]:
    return ["", f"### {title}", "", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]


def _cell(row: Row, name: str, cores: int) -> str:
    if name not in row.figures:
        return "none"
    share = efficiency(row, name, cores)
    return f"{figure(statistics.median(row.figures[name]))}{'' if share is None else f' ({share:.0%})'}"


def _layouts(measured: Iterable[Row], names: list[str]) -> list[str]:
    """How many times more processor time views take than contiguous tiles."""
    pairs: dict[tuple[str, int], dict[str, Row]] = {}
    for row in measured:
        work, layout, workers, clock = key(row)
        if clock == "cpu" and ALONE in row.figures:
            pairs.setdefault((work, workers), {})[layout] = row
    lines = []
    for (work, workers), both in pairs.items():
        if len(both) == len(LAYOUTS):
            strides = _times(both, ALONE)
            cells = [figure(strides), *(figure(_times(both, name) / strides) for name in names)]
            lines.append(f"| {' | '.join([work, str(workers), *cells])} |")
    if not lines:
        return []
    title = "2-D views beside contiguous tiles"
    why = "Processor time as views, divided by that as contiguous tiles; behind the kernels alone without their share."
    head = _head(title, ["work", "workers", ALONE, *names])
    return [*head[:2], "", why, *head[2:], *lines]


def _times(both: Mapping[str, Row], name: str) -> float:
    return statistics.median(both[VIEWS].figures[name]) / statistics.median(both[CONTIGUOUS].figures[name])


def section(results: dict[str, Any]) -> str:
    """The section of the page, from the JSON of a run."""
    cores = results["machine_info"]["cpu"]["count"]
    head = _SECTION.format(
        alone=ALONE,
        ours=OURS,
        submitted=SUBMITTED,
        openmp=OPENMP,
        numpy=NUMPY,
        cores=cores,
        command=command_of(results),
        day=results["datetime"][:10],
    )
    left_out = "".join(f"\nLeft out: {each}.\n" for each in results["left_out"])
    return head + left_out + "\n".join(tables(rows_of(results), cores)) + "\n"
