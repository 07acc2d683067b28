import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from runtime import CallableHandle, Tag, TaskArgs, Worker, by_source, identity
from runtime.errors import (
    HandleForeignError,
    HandleStaleError,
    NamespaceMismatchError,
    PartialFailureError,
    RegisterTombstoneError,
)
from tests.contract.meeting import hold_until_open


@by_source
def forty_two(args):
    return 42


def one(args):
    return 1


@pytest.fixture
def worker():
    with Worker(chips=2, sub_workers=2) as made:
        yield made


def installed(worker, handle):
    return [child.installed.get(handle.hashid, 0) for child in worker.children]


def test_a_registration_is_installed_in_every_child_of_its_namespace(worker, chip):
    assert installed(worker, worker.register(chip["add"])) == [1, 1, 0, 0]
    assert installed(worker, worker.register(one)) == [0, 0, 1, 1]


def test_registering_before_the_start_has_the_same_effect(chip):
    worker = Worker(chips=1, sub_workers=1)
    before = worker.register(one), worker.register(chip["sleep_ms"])
    with worker:
        after = worker.register(one)
        assert before[0].hashid == after.hashid
        assert worker.run(lambda o: o.submit_sub(before[0])).result() == 1
        worker.run(lambda o: o.submit_next_level(before[1], TaskArgs(scalars=[0]), worker=0) and None)
        assert installed(worker, after) == [0, 2]


def test_children_run_the_serialised_copy_though_the_original_changes_later():
    box = [1]
    worker = Worker(sub_workers=1)
    handle = worker.register(lambda args: box[0])
    box[0] = 2
    with worker:
        assert worker.run(lambda o: o.submit_sub(handle)).result() == 1


def test_handles_of_equal_callables_share_a_hashid_but_not_a_lifetime(worker, chip):
    first, second = worker.register(chip["add"]), worker.register(chip["add"])
    assert first.hashid == second.hashid
    assert first != second
    assert installed(worker, first) == [2, 2, 0, 0]
    worker.unregister(first)
    assert installed(worker, second) == [1, 1, 0, 0]
    with pytest.raises(HandleStaleError):
        worker.unregister(first)
    worker.unregister(second)
    assert installed(worker, second) == [0, 0, 0, 0]


def test_a_handle_that_this_worker_did_not_make_is_foreign(worker):
    handle = worker.register(one)
    unbound = CallableHandle(handle.hashid, handle.kind, handle.target_namespace)
    unpickled = pickle.loads(pickle.dumps(handle))
    with Worker(sub_workers=1) as other:
        elsewhere = other.register(one)
        for forged in (unbound, unpickled, elsewhere):
            with pytest.raises(HandleForeignError):
                worker.run(lambda o, forged=forged: o.submit_sub(forged))
            with pytest.raises(HandleForeignError):
                worker.unregister(forged)


def test_a_handle_used_in_the_wrong_place_is_refused(worker, chip):
    chip_handle, python_handle = worker.register(chip["add"]), worker.register(one)
    with pytest.raises(NamespaceMismatchError, match="LOCAL_PYTHON"):
        worker.run(lambda o: o.submit_sub(chip_handle))
    with pytest.raises(NamespaceMismatchError, match="LOCAL_CHIP"):
        worker.run(lambda o: o.submit_next_level(python_handle, worker=0))


def test_submit_takes_handles_only(worker, chip):
    for wrong in ("sha256:" + "0" * 64, one, chip["add"], 3, None):
        with pytest.raises(TypeError, match="register it first"):
            worker.run(lambda o, wrong=wrong: o.submit_sub(wrong))


def test_a_stale_handle_has_its_own_error(worker):
    handle = worker.register(one)
    worker.unregister(handle)
    with pytest.raises(HandleStaleError):
        worker.run(lambda o: o.submit_sub(handle))


def test_unregistering_never_breaks_a_task_that_was_accepted(worker):
    def slow(args):
        hold_until_open(args)
        return os.getpid()

    handle, gate = worker.register(slow), worker.zeros(1, "float64")
    run = worker.submit(lambda o: [o.submit_sub(handle, TaskArgs((gate, Tag.NO_DEP))) for _ in range(4)])
    worker.unregister(handle)
    with pytest.raises(RegisterTombstoneError):
        worker.register(slow)
    gate.numpy()[0] = 1
    pids = {task.result() for task in run.result()}
    assert pids == {child.pid for child in worker.children if child.kind == "sub"}


def test_a_callable_that_cannot_be_pickled_changes_nothing(worker):
    lock = threading.Lock()
    with pytest.raises(TypeError):
        worker.register(lambda args: lock)
    assert all(not child.installed for child in worker.children)


def test_a_value_that_is_not_callable_is_refused(worker):
    with pytest.raises(TypeError, match="int"):
        worker.register(3)


def test_a_function_marked_by_source_is_named_by_its_modules_source(worker):
    handle = worker.register(forty_two)
    assert handle.kind == "PYTHON_SOURCE"
    descriptor = identity.build_python_source_descriptor(f"{__name__}:forty_two")
    assert handle.hashid == identity.compute_callable_hashid(descriptor)
    assert worker.register(f"{__name__}:forty_two").hashid == handle.hashid
    assert worker.run(lambda o: o.submit_sub(handle)).result() == 42


class FailsOnce:
    """Unpickles everywhere but in the process whose pid is written in a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return refuse_in, (self.path,)

    def __call__(self, args):
        return None


def refuse_in(path):
    if int(Path(path).read_text()) == os.getpid():
        raise RuntimeError("not here")
    return one


def test_a_partial_failure_gives_no_handle_and_leaves_nothing_installed(worker, tmp_path):
    path = tmp_path / "pid"
    victim = worker.children[3].pid
    path.write_text(str(os.getpid()) if victim == 0 else str(victim))
    with pytest.raises(PartialFailureError, match="not here") as caught:
        worker.register(FailsOnce(str(path)))
    assert caught.value.results["sub-worker 0"] == "ok"
    assert "not here" in caught.value.results["sub-worker 1"]
    assert all(not child.installed for child in worker.children)
    path.write_text("0")
    handle = worker.register(FailsOnce(str(path)))
    assert installed(worker, handle) == [0, 0, 1, 1]
    assert worker.run(lambda o: o.submit_sub(handle)).result() == 1


def test_registration_works_while_every_child_is_busy(worker, chip):
    def wait_for(args):
        while not args[0][0]:
            time.sleep(0.01)

    wait, hold = worker.register(wait_for), worker.register(chip["hold"])
    gate = worker.zeros(1, "float64")

    def orchestrate(o):
        for i in range(2):
            o.submit_sub(wait, TaskArgs((gate, Tag.NO_DEP)))
            o.submit_next_level(hold, TaskArgs((gate, Tag.NO_DEP)), worker=i)

    run = worker.submit(orchestrate)
    handles = [worker.register(chip["add"]), worker.register(one)]
    for handle in handles:
        worker.unregister(handle)
    assert not run.done()
    gate.numpy()[0] = 1
    run.result()


CAPTURES_A_HANDLE = """
from runtime import Worker
worker = Worker(level=4, sub_workers=1)
first = worker.register(abs)
print(worker.register(lambda o: o.submit_sub(first)).hashid)
"""


def test_a_function_that_captures_handles_has_the_same_hashid_in_every_process():
    def hashid():
        command = [sys.executable, "-c", CAPTURES_A_HANDLE]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert hashid() == hashid() != ""
