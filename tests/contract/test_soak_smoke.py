import subprocess
import sys
from pathlib import Path

from tests.patience import patience

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_short_soak_accounts_for_every_task_and_leaves_nothing():
    command = "--operations 300 --kills 8 --stops 3 --chips 2 --sub-workers 2 --seed 5"
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *command.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("harassment"))
    assert {name.strip(): int(count) for name, count in figures.items()} == {
        "harassment: killed": 8,
        "harassment: stopped": 3,
    }


def test_a_short_storm_of_kills_accounts_for_every_task_and_leaves_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.kill_storm", "--kills", "30", "--seeds", "1", "--limit", "110"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {name.strip(): count for name, count in (line.rsplit(maxsplit=1) for line in done.stdout.splitlines())}
    assert figures["kills"] == "30"
