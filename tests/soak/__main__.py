"""``python -m tests.soak``: random registry operations while tasks run and children are killed and stopped.

Prints figures, and exits with 1 unless every task is accounted for and no process or descriptor is left.
"""

import argparse
import sys

from tests.soak.soak import Soak


def main() -> int:
    """Runs the soak that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000, help="registry operations (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs of random children (default: %(default)s)")
    parser.add_argument("--stops", type=int, default=100, help="SIGSTOPs of random children (default: %(default)s)")
    parser.add_argument("--chips", type=int, default=4)
    parser.add_argument("--sub-workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"soak: {vars(given)}", flush=True)
    soak = Soak(**vars(given))
    soak.run()
    for name, value in soak.figures().items():
        print(f"{name:44} {value}")
    for complaint in soak.complaints:
        print(f"WRONG: {complaint}")
    return 1 if soak.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
