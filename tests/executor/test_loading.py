"""The user's code may take long to load: only WorkerOptions.start_timeout bounds it."""

import sys

import pytest

from runtime import Executor, Worker, WorkerOptions
from runtime.errors import PartialFailureError
from tests.executor import functions
from tests.patience import patience


@pytest.fixture
def slow_module(tmp_path, monkeypatch):
    """Makes a module whose import in a worker waits for a file. Returns the path of the file."""
    (tmp_path / "callring_slow_module.py").write_text(
        f"""
import os, time
from pathlib import Path
if os.getpid() != {__import__("os").getpid()}:
    while not Path({str(tmp_path / "open")!r}).exists():
        time.sleep(0.002)

def initialize():
    pass

def answer(args=None):
    return 42
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "open"
    sys.modules.pop("callring_slow_module", None)


def opened_after_the_control_timeout(gate, options):
    """Opens the gate long after the control timeout of a request to the child that loads the code."""
    import threading

    timer = threading.Timer(3 * options.control_timeout, gate.touch)
    timer.start()
    return timer


def test_an_initializer_may_take_longer_to_import_than_a_child_may_take_to_answer(slow_module):
    import callring_slow_module

    options = WorkerOptions(control_timeout=0.3)
    timer = opened_after_the_control_timeout(slow_module, options)
    with Executor(2, initializer=callring_slow_module.initialize, options=options) as executor:
        assert executor.submit(functions.keep, 1).result() == 1
        assert [child.incarnation for child in executor.worker.children] == [1, 1]
    timer.join()


def test_an_initializer_that_never_loads_fails_the_constructor_and_the_error_names_the_option(slow_module):
    import callring_slow_module

    # A worker starts within this time, also on a busy machine.
    options = WorkerOptions(control_timeout=0.3, start_timeout=patience(3.0))
    with pytest.raises(PartialFailureError, match=r"initializer initialize .*WorkerOptions\.start_timeout"):
        Executor(1, initializer=callring_slow_module.initialize, options=options)


def test_over_a_shared_worker_an_initializer_that_never_loads_fails_only_its_own_executor(slow_module):
    import callring_slow_module

    options = WorkerOptions(control_timeout=0.3, start_timeout=patience(3.0))
    with Worker(sub_workers=1, options=options) as worker:
        with Executor(worker) as other:
            with pytest.raises(PartialFailureError, match=r"WorkerOptions\.start_timeout"):
                Executor(worker, initializer=callring_slow_module.initialize)
            assert other.submit(functions.keep, 1).result() == 1


@pytest.mark.parametrize("by_source", [False, True])
def test_a_registered_callable_may_take_longer_to_import_than_the_control_timeout(slow_module, by_source):
    import callring_slow_module

    options = WorkerOptions(control_timeout=0.3)
    with Worker(sub_workers=1, options=options) as worker:
        timer = opened_after_the_control_timeout(slow_module, options)
        handle = worker.register("callring_slow_module:answer" if by_source else callring_slow_module.answer)
        assert worker.run(lambda o: o.submit_sub(handle)).result() == 42
        # Requests to a child that loads code wait for the end of the loading, and the child is not replaced.
        assert worker.children[0].incarnation == 1
    timer.join()


def test_mapping_new_memory_waits_for_a_child_that_loads(slow_module):
    import threading

    import callring_slow_module

    options = WorkerOptions(control_timeout=0.3, arena_bytes=1 << 16)
    with Worker(sub_workers=1, options=options) as worker:
        timer = opened_after_the_control_timeout(slow_module, options)
        registering = threading.Thread(target=worker.register, args=(callring_slow_module.answer,))
        registering.start()
        worker.zeros(1 << 20, "uint8")
        registering.join()
        assert worker.children[0].incarnation == 1
    timer.join()
