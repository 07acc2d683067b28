import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).resolve().parent.parent.parent / "native"


def program(name):
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed"
    return found


@pytest.mark.parametrize("preset", ["asan", "ubsan", "tsan"])
def test_cpp_tests_pass_under(preset, tmp_path):
    environment = {**os.environ, "CALLRING_CORE_DIR": ""}
    configure = ["cmake", "--preset", preset, f"-DCMAKE_MAKE_PROGRAM={program('ninja')}"]
    for command in (configure, ["cmake", "--build", "--preset", preset], ["ctest", "--preset", preset]):
        done = subprocess.run(
            [program(command[0]), *command[1:]],
            cwd=NATIVE,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
