"""``python -m tests.soak.programs --count 100000``: compares random programs with the oracle of
tests.contract.programs.

Prints how many programs and tasks had the right result, and exits with 1 at the first wrong one, with its seed.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from runtime import Worker
from tests.contract.programs import CHIPS, SUB_WORKERS, Machine, random_program

TOGETHER = 4
"""The size of a batch: two programs run at the same time, one is cancelled while it is submitted, one is launched."""


def main() -> int:
    """Runs the programs that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.programs", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="programs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first program (default: %(default)s)")
    given = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Worker(chips=CHIPS, sub_workers=SUB_WORKERS) as worker:
        machine = Machine(worker, Path(folder))
        for first in range(given.seed, given.seed + given.count, TOGETHER):
            try:
                check(machine, [random_program(random.Random(first + i)) for i in range(TOGETHER)])
            except AssertionError as error:
                print(f"WRONG: seeds {first} to {first + TOGETHER - 1}: {error}")
                return 1
        stats = worker.stats()
    print(f"{given.count} programs had the right results: {time.monotonic() - begin:.0f} s, {stats}")
    return 0


def check(machine: Machine, programs: list) -> None:
    """Checks ``TOGETHER`` programs."""
    machine.check_together(programs[:2])
    machine.check_cancelled(programs[2], len(programs[2]) // 2)
    machine.check(programs[3])
    machine.check_launched(programs[3])


if __name__ == "__main__":
    sys.exit(main())
