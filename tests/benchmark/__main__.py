"""``python -m tests.benchmark``: prints the table row by row, and optionally writes JSON and a picture."""

import argparse
import json
import sys
from pathlib import Path

from tests.benchmark.measure import Effort
from tests.benchmark.suite import ROWS, chosen, run_suite
from tests.benchmark.table import HEAD, document, line


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument(
        "--rows", nargs="*", default=[], help=f"only rows whose names contain one of: {', '.join(ROWS)}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contender, interleaved")
    parser.add_argument("--scale", type=float, default=1.0, help="amount of work")
    parser.add_argument("--no-peers", action="store_true", help="leave out loky, Ray and Dask")
    parser.add_argument("--json", type=Path, help="write the results in pytest-benchmark's format")
    parser.add_argument("--plot", type=Path, help="write a picture (SVG)")
    options = parser.parse_args()
    try:
        names = chosen(options.rows)
    except ValueError as error:
        parser.error(str(error))
    print("\n".join(HEAD), flush=True)
    rows = []
    for row in run_suite(names, Effort(options.rounds, options.scale, not options.no_peers)):
        rows.append(row)
        print(line(row), flush=True)
    if options.json:
        command = " ".join(["python -m tests.benchmark", *sys.argv[1:]])
        options.json.write_text(json.dumps(document(rows, command), indent=1))
    if options.plot:
        from tests.benchmark.plot import plot

        plot(rows, options.plot)


if __name__ == "__main__":
    main()
