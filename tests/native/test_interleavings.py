"""Runs the lane's protocols under a model checker: native/tests/lane/interleavings.cpp."""

import subprocess
from pathlib import Path

import pytest

from tests.native.presets import build


@pytest.mark.skipif(not Path("/usr/include/relacy").exists(), reason="relacy-dev is not installed")
def test_interleavings_of_the_lane_lose_no_wake_up_and_tear_no_frame_and_broken_variants_are_found():
    folder = build("release", "--target", "interleavings")
    done = subprocess.run([folder / "tests" / "lane" / "interleavings"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert sum("clean" in line for line in lines) == 6
    assert sum("DEADLOCK" in line or "DATA RACE" in line for line in lines) == 8
