"""The modules that the processes of a Worker import before they are ready."""

import subprocess
import sys

import pytest

# Importing one of these takes milliseconds of every start, and no code needs it that early.
SLOW = {"importlib.resources", "pathlib", "tempfile", "shutil", "lzma", "multiprocessing.context", "asyncio"}


# What a program that only imports Worker must not import, and when it is needed.
LATER = {
    "cloudpickle": "a Python callable is registered; in children, from the start",
    "concurrent.futures": "a Worker starts",
    "hashlib": "a callable is registered",
    "json": "a Worker with Python children is made, or a node refuses a callable",
    "logging": "a Worker starts",
    "runtime.chips.chip_callable": "a chip callable is made",
    "runtime.executor": "an Executor is used",
    "runtime.observe.child_info": "the children are listed",
    "runtime.observe.stats": "the counts are asked for",
    "runtime.observe.trace": "a trace is taken",
    "runtime.pickles.pickling": "a Python callable is registered",
    "runtime.registration.signature_call": "a child loads a callable that is called by its signature",
    "runtime.toolchain": "a source is compiled",
    "signal": "a Worker starts",
    "subprocess": "a source is compiled",
    "traceback": "a task raises",
    "uuid": "an Executor with an initializer is made",
}


def imports_of(statement, given):
    """The modules that a statement imports in a program that has imported the ``given`` ones."""
    program = f"import sys, {given}\nbefore = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["runtime.worker", "runtime.child_side.fork_server"])
def test_a_start_imports_no_module_that_is_not_needed_yet(module):
    imported = imports_of(f"import {module}", given="cloudpickle, numpy")
    assert module in imported
    assert not imported & SLOW


def test_the_import_of_worker_imports_nothing_that_only_later_calls_need():
    imported = imports_of("from runtime import Worker", given="numpy")
    assert "runtime.worker" in imported
    assert not imported & LATER.keys()
