"""The hot path's instructions, whose number, unlike time, hardly varies: native/tests/schedule/instructions.cpp."""

import platform
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.native.presets import NATIVE

TASKS = 20_000
# Instructions per task on x86-64 with GCC 12; other compilers may need a fifth more. Lower them when they sink.
BUDGETS = {
    **{"submit": 520, "follow": 830, "execute": 132, "complete": 465},
    **{"buffer": 715, "tile": 2050, "behind": 30, "bind": 4200, "encode": 240, "decode": 800},
}
ROOM = 1.2


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if platform.machine() != "x86_64":
        pytest.skip("the budgets are those of x86-64")
    if shutil.which("valgrind") is None or not Path("/usr/include/valgrind/callgrind.h").exists():
        pytest.skip("valgrind is not installed")
    version = sysconfig.get_config_var("py_version_nodot")
    built = list((NATIVE.parent / "build").glob(f"cp{version}-*/libcallring_core.a"))
    if not built:
        pytest.skip("no build of the core for this Python in build/")
    program = tmp_path_factory.mktemp("driver") / "instructions"
    source = NATIVE / "tests" / "schedule" / "instructions.cpp"
    libraries = [built[0], "-ldl", "-pthread"]
    command = ["g++", "-std=c++20", "-O3", f"-I{NATIVE}", f"-I{NATIVE / 'include'}", source, *libraries, "-o", program]
    subprocess.run(command, check=True)
    return program


@pytest.mark.parametrize("phase", BUDGETS)
def test_a_task_takes_no_more_instructions_than_its_budget(phase, driver, tmp_path):
    command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={tmp_path / 'out'}"]
    done = subprocess.run([*command, driver, phase, str(TASKS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    instructions = int(re.search(r"Collected : (\d+)", done.stderr)[1]) / TASKS
    assert instructions <= BUDGETS[phase] * ROOM, f"{phase}: {instructions:.0f} instructions a task"
    assert instructions > BUDGETS[phase] / 10, (
        f"{phase}: {instructions:.0f}: far below its budget, which guards nothing"
    )
