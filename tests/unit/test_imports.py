"""The modules that the processes of a Worker import before they are ready."""

import subprocess
import sys

import pytest

# Importing one of these takes milliseconds of every start, and no code needs it that early.
SLOW = {"importlib.resources", "pathlib", "tempfile", "shutil", "lzma", "multiprocessing.context", "asyncio"}


@pytest.mark.parametrize("module", ["runtime.worker", "runtime.child_side.fork_server"])
def test_a_start_imports_no_module_that_is_not_needed_yet(module):
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
