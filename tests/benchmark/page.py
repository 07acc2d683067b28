"""``python -m tests.benchmark.page RESULTS``: docs/reference/performance.md and its pictures from the JSON of runs.

Without RESULTS, the table of rows stays as it is; without --metg or --applications, so does that section, if there is
one. Each says on which day it was measured.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from pathlib import Path
from typing import Any

from tests.benchmark.applications.output import section as applications_section
from tests.benchmark.metg import plot as metg_plot
from tests.benchmark.metg.output import measured_in, section
from tests.benchmark.plot import bars_of, drawn
from tests.benchmark.table import command_of, rows_of, table

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "performance.md"
PICTURE = PAGE.parent.parent / "pictures" / "performance.svg"
METG_PICTURE = PICTURE.with_name("metg.svg")

Json = dict[str, Any]
_ORDER = ("## The smallest task that is worth its cost", "## Applications", "## What keeps rows from their goals")

_INTRODUCTION = """# Performance

What the benchmark measured, ours and peers interleaved in one run: medians, and in parentheses the least and the most
of {rounds} rounds. Machines differ and are noisy; the ratios are what to look at. This page is written by a command:

```text
{command}
python -m tests.benchmark.page results.json
```

Without `--rows` everything is measured; `pip install -e '.[peers]'` adds loky, Ray and Dask, and `--plot` a picture.
`python -m tests.benchmark.metg --json metg.json` measures how small a task may be before half of all time is no more
work, beside OpenMP and oneTBB, and `python -m tests.benchmark.applications --json applications.json` measures tiled
Cholesky and matmul and a stencil beside the time of their kernels alone, OpenMP and NumPy; `--metg metg.json` and
`--applications applications.json` write those sections of the page. The rows below were measured on {day} with
{cores} processor cores ({processor}).

![How many times better Callring is than what is beside it](../pictures/performance.svg)

"""

_REASONS = """## What keeps rows from their goals

- **A chip that sleeps.** The caller wakes it and, where the chip is woken on the caller's own core, gives up that core
  and is woken itself: sometimes one wake-up, sometimes two. Which core a sleeper is woken on is the kernel's choice; to
  move the chip by its affinity was measured and costs more than it saves.
- **A hop between two chips.** It goes through the parent, the third process that wants one of two cores. Frames that
  wait for the completion of another lane would let the chips pass a chain on to each other.
- **Small tasks beside threads of one process.** OpenMP and oneTBB with one worker execute a task in the thread that
  made it. A chip is another process: each task is written into shared memory, read and confirmed there, and the parent
  takes the confirmation. Of the 4.1 us of the parent for a submitted task of stencil_1d with one worker, 0.75 are the
  loop of the benchmark, which makes lists and tuples, 1.1 make its TaskArgs of four tensors, and 2.2 compare these with
  those of the tasks before, write the frame and take the completion.
"""


def text(page: str, results: Json | None, metg: Json | None = None, applications: Json | None = None) -> str:
    """The page, with those of its parts that were measured anew."""
    rows, *parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    sections = {part.splitlines()[0]: part for part in parts}
    new = [make(measured) for make, measured in ((section, metg), (applications_section, applications)) if measured]
    sections |= {part.lstrip().splitlines()[0]: part.lstrip() for part in [*new, _REASONS]}
    return (_rows(results) if results else rows) + "\n".join(
        sections[title].rstrip() + "\n" for title in _ORDER if title in sections
    )


def _rows(results: Json) -> str:
    machine = results["machine_info"]
    introduction = _INTRODUCTION.format(
        # A few rows have fewer rounds, or more.
        rounds=statistics.mode(each["stats"]["rounds"] for each in results["benchmarks"]),
        command=command_of(results),
        day=results["datetime"][:10],
        cores=machine["cpu"]["count"],
        processor=machine["processor"],
    )
    return introduction + "\n".join(table(rows_of(results))) + "\n\n"


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.page", description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", help="results of python -m tests.benchmark")
    parser.add_argument("--metg", type=Path, help="results of python -m tests.benchmark.metg")
    parser.add_argument("--applications", type=Path, help="results of python -m tests.benchmark.applications")
    parser.add_argument("--page", type=Path, default=PAGE, help="default: %(default)s")
    given = parser.parse_args()
    if not given.page.exists() and not given.results:
        parser.error(f"{given.page} does not exist: give the results of its rows")
    results, metg, applications = (
        json.loads(path.read_text()) if path else None for path in (given.results, given.metg, given.applications)
    )
    old = given.page.read_text() if given.page.exists() else ""
    page = text(old, results, metg, applications)
    given.page.write_text(page)
    if given.page == PAGE:
        PICTURE.write_text(drawn(bars_of(page)))
        if metg:
            METG_PICTURE.write_text(metg_plot.drawn(measured_in(page)))


if __name__ == "__main__":
    main()
