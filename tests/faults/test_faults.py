"""Faults of the system that once had a wrong outcome. ``python -m tests.faults`` tries all faults."""

import subprocess
import sys

from tests.native.presets import NATIVE
from tests.patience import patience


def test_faults_that_once_crashed_hung_or_leaked_are_callring_errors():
    command = [sys.executable, "-m", "tests.faults", "--corpus", "--jobs", "2"]
    done = subprocess.run(
        command, cwd=NATIVE.parent, capture_output=True, text=True, check=False, timeout=patience(1800)
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
