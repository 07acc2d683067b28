"""``python -m tests.benchmark``: prints the table, and writes JSON if asked to."""

import argparse
import json
from pathlib import Path

from tests.benchmark.suite import run_suite
from tests.benchmark.table import document, table


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each, in turn")
    parser.add_argument("--scale", type=float, default=1.0, help="amount of work")
    parser.add_argument("--json", type=Path, help="write results in pytest-benchmark's shape")
    options = parser.parse_args()
    rows = run_suite(options.rounds, options.scale)
    print("\n".join(table(rows)))
    if options.json:
        options.json.write_text(json.dumps(document(rows), indent=1))


if __name__ == "__main__":
    main()
