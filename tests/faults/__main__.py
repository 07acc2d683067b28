"""``python -m tests.faults``: lets the k-th use of each system call and allocation of the native core fail, for every
k.

Builds a core whose calls can fail, and runs the scenarios of ``tests/faults/scenarios.py`` once for each fault. Exits
with 1 if a trial's outcome is neither success nor a Callring error: a crash, a hang, a leak or a wrong value. Without
a selection it writes the page of the documentation.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from collections import Counter
from pathlib import Path

from tests.faults import core

CORPUS = Path(__file__).parent / "corpus.txt"


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--sanitize", choices=("", "address"), default="", help="build the core with this sanitizer")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="trials at once")
    parser.add_argument("--scenario", help="only this scenario")
    parser.add_argument("--role", help="only faults in processes of this role: parent, chip, server, python")
    parser.add_argument("--call", help="only faults of this call; operator_new for allocations")
    parser.add_argument(
        "--corpus", type=Path, nargs="?", const=CORPUS, help="only the faults in this file (tests/faults/corpus.txt)"
    )
    parser.add_argument(
        "--keep", type=Path, help="add all outcomes to this file, and do not repeat trials whose outcomes it has"
    )
    parser.add_argument(
        "--sanitized", type=Path, help="outcomes that a campaign with --sanitize kept, for the page: a column beside"
    )
    given = parser.parse_args()
    if "CALLRING_CORE_DIR" not in os.environ:  # the core is chosen when a process begins
        environment = core.environment(core.build(given.sanitize), given.sanitize)
        os.execve(sys.executable, [sys.executable, "-m", "tests.faults", *sys.argv[1:]], environment)
    only = {name: value for name in ("scenario", "role", "call") if (value := getattr(given, name))}
    return _campaign(given, only)


def _campaign(given: argparse.Namespace, only: dict[str, str]) -> int:
    from tests.faults.campaign import Campaign
    from tests.faults.kept import Kept, read
    from tests.faults.page import PAGE, page

    campaign = Campaign(given.jobs, only, Kept(given.keep))
    began, kinds = time.monotonic(), Counter[str]()
    for outcome in campaign.replay(given.corpus.read_text()) if given.corpus else campaign.run():
        kinds[outcome.kind] += 1
        if outcome.wrong:
            fault = outcome.fault
            name = errno.errorcode.get(fault.error, "0")
            print(f"WRONG {outcome.scenario} {fault.role} {fault.call} {name} {fault.first} {fault.times}")
            print(f"  {outcome.where} {core.places(fault.role, outcome.stack)}")
            for line in (*outcome.wrong, *outcome.errors[:3]):
                print("  " + line.replace("\n", "\n    "))
            print("  " + outcome.said[-3000:].replace("\n", "\n    "), flush=True)
        if sum(kinds.values()) % 200 == 0:
            print(f"{time.monotonic() - began:.0f} s: {dict(kinds)}", flush=True)
    print(f"{time.monotonic() - began:.0f} s: {dict(kinds)}")
    if not only and not given.sanitize and not given.corpus:
        PAGE.write_text(page(campaign.outcomes, campaign.sites, read(given.sanitized) if given.sanitized else []))
    return 1 if kinds["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
