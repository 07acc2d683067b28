"""What the processes of a Worker import before they are ready."""

import subprocess
import sys

import pytest

# Each with what it imports takes milliseconds of every start, and nothing needs it that early.
SLOW = {"importlib.resources", "pathlib", "tempfile", "shutil", "lzma", "multiprocessing.context", "asyncio"}


@pytest.mark.parametrize("module", ["runtime.worker", "runtime.child_side.fork_server"])
def test_a_start_waits_for_no_import_that_nothing_needs_yet(module):
    program = f"""
import sys
import cloudpickle, numpy
before = set(sys.modules)
import {module}
print(*(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert module in imported
    assert not imported & SLOW
