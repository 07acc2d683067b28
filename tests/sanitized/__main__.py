"""``python -m tests.sanitized address|undefined|thread``: the Python tests with a sanitizer in the native core.

Builds the extension and the chip program with the sanitizer, and runs pytest. A report of any process (the tests' own,
a child or a grandchild) fails the test during which it appears, and the run. Further arguments go to pytest.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.patience import VARIABLE
from tests.sanitized import core
from tests.sanitized.plugin import REPORTS, SANITIZER
from tests.sanitized.sanitizers import SANITIZERS

# The C++ tests have their own sanitized builds.
EVERYTHING = ("tests", "--ignore=tests/native")
PATIENCE = 5
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.sanitized", description=__doc__)
    parser.add_argument("sanitizer", choices=SANITIZERS)
    given, arguments = parser.parse_known_args()
    sanitizer = SANITIZERS[given.sanitizer]
    reports = Path(tempfile.mkdtemp(prefix=f"sanitized-{given.sanitizer}-"))
    command = [sys.executable, "-m", "pytest", "-p", "tests.sanitized.plugin", *(arguments or EVERYTHING)]
    with tempfile.TemporaryDirectory(prefix="tools-") as tools:
        environment = {
            **sanitizer.environment_for(core.build(sanitizer), reports, Path(tools)),
            REPORTS: str(reports),
            SANITIZER: sanitizer.flag,
            VARIABLE: str(PATIENCE),
        }
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    found = sorted(reports.iterdir())
    if found:
        print(f"{len(found)} processes wrote reports; see {reports}")
        return code or 1
    shutil.rmtree(reports)
    print(f"no process wrote a report ({given.sanitizer})")
    return code


if __name__ == "__main__":
    sys.exit(main())
