"""``python -m tests.fresh trixie``: runs the README's lines on new machines of that Debian release.

On the first machine a user with sudo runs the first line; on the second, root runs both lines. ``--first`` leaves out
the second line, which takes long, and ``-- COMMAND`` runs another command in the clone, as root.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

from tests.fresh.machine import RELEASES, Machine, reason_not_to
from tests.fresh.readme import lines


def main() -> int:
    """Returns 0 if every line passed, or none could run here."""
    parser = argparse.ArgumentParser(prog="python -m tests.fresh", description=__doc__)
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("--first", action="store_true", help="only the README's first line")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--folder", type=Path, default=home / "callring-fresh", help="where root folders are kept")
    parser.add_argument("command", nargs="*", help="run this command instead of the README's lines")
    asked = parser.parse_args()
    reason = reason_not_to()
    if reason:
        print(f"SKIPPED fresh {asked.release}: {reason}")
        return 0
    first, second = lines()
    if asked.command:
        return Machine(asked.release, asked.folder, sudo=False).run(shlex.join(asked.command))
    said = []
    for sudo, todo in ((True, [first]), (False, [first] if asked.first else [first, second])):
        machine = Machine(asked.release, asked.folder, sudo=sudo)
        for line in todo:
            print(f"+ {line}", flush=True)
            began = time.monotonic()
            status = machine.run(line)
            which = "first line" if line == first else "second line"
            said.append(
                f"{asked.release}: the {which} as {'a user with sudo' if sudo else 'root'} "
                f"{f'failed ({status})' if status else 'passed'} in {time.monotonic() - began:.0f} s"
            )
            if status != 0:
                break
    print("\n".join(said))
    return int(any("failed" in line for line in said))


if __name__ == "__main__":
    sys.exit(main())
