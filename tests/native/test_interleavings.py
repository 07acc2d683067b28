"""The lane's protocols under a model checker: native/tests/lane/interleavings.cpp."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.native.test_cpp import NATIVE, program

BUILD = NATIVE.parent / "build" / "native" / "release"


@pytest.mark.skipif(not Path("/usr/include/relacy").exists(), reason="relacy-dev is not installed")
def test_interleavings_of_the_lane_lose_no_wake_up_and_tear_no_frame_and_broken_ones_are_found():
    configure = [program("cmake"), "--preset", "release", f"-DCMAKE_MAKE_PROGRAM={program('ninja')}"]
    build = [program("cmake"), "--build", "--preset", "release", "--target", "interleavings"]
    for command in (configure, build):
        subprocess.run(
            command, cwd=NATIVE, env={**os.environ, "CALLRING_CORE_DIR": ""}, capture_output=True, check=True
        )
    done = subprocess.run([BUILD / "tests" / "lane" / "interleavings"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert sum("clean" in line for line in lines) == 4
    assert sum("DEADLOCK" in line or "DATA RACE" in line for line in lines) == 5
