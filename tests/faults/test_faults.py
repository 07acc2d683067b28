"""Faults of the system that were once told wrongly; all that there can be: ``python -m tests.faults``."""

import subprocess
import sys

from tests.native.presets import NATIVE
from tests.patience import patience


def test_faults_that_once_crashed_hung_or_left_something_are_errors_of_ours():
    command = [sys.executable, "-m", "tests.faults", "--corpus", "--jobs", "2"]
    done = subprocess.run(
        command, cwd=NATIVE.parent, capture_output=True, text=True, check=False, timeout=patience(1800)
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
