"""Ctrl-C at any point leaves a Worker that is usable or closed, and no process behind."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import patience

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("seed", range(8))
def test_an_interrupt_at_a_random_point_leaves_a_worker_that_is_usable_or_closed(seed):
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.interrupted"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout.readline() == "begun\n"
    # The first seeds interrupt init(), the later ones the runs.
    time.sleep(random.Random(seed).uniform(0, 0.1 if seed < 3 else 1.5))
    program.send_signal(signal.SIGINT)
    try:
        out, err = program.communicate(timeout=patience(60))
    finally:
        program.kill()  # a program that lost the interrupt would run for ever
    assert program.returncode == 130, err
    assert out in ("usable\n", "closed\n"), err


def test_an_interrupt_inside_a_with_block_closes_the_worker_at_once():
    code = (
        "import os, time\nfrom runtime import Worker\n"
        "with Worker(sub_workers=2) as worker:\n"
        "    nap = worker.register(lambda args: (os.write(1, b'begun\\n'), time.sleep(60)))\n"
        "    worker.run(lambda o: [o.submit_sub(nap) for _ in range(100)] and None)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout.readline() == "begun\n"
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=patience(30))
    assert program.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in err
