"""A child that does not answer delays one registration by one control timeout, is replaced, and fails nothing."""

import os
import signal
import threading
import time

import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import PartialFailureError, RegisterTombstoneError
from tests.contract.conftest import Stopped, all_ready, stop, wait_until
from tests.patience import patience

OPTIONS = WorkerOptions(control_timeout=patience(2.0))
LONG = WorkerOptions(control_timeout=patience(600.0), max_restarts=1000)
SILENT = "did not answer control requests within the control timeout"


def one(args):
    return 1


def two(args):
    return 2


@pytest.fixture
def worker():
    with Worker(chips=2, sub_workers=2, options=OPTIONS) as made:
        yield made


def test_a_registration_succeeds_if_a_child_never_answers_and_its_replacement_installs_the_callable(worker):
    kept = worker.register(two)
    with Stopped(worker, 3) as stopped:
        handle = worker.register(one)
        assert wait_until(lambda: worker.children[3].incarnation == 2 and worker.children[3].state == "ready")
        assert stopped.pid != worker.children[3].pid
        assert SILENT in worker.children[3].last_exit
    expected = {kept.hashid: 1, handle.hashid: 1}
    assert [child.installed for child in worker.children[2:]] == [expected] * 2
    assert worker.children[2].incarnation == 1
    assert worker.run(lambda o: o.submit_sub(handle)).result() == 1


def test_only_the_first_registration_waits_for_a_silent_child():
    # If a second registration waited as long, this test would exceed its own time limit.
    with Worker(sub_workers=2, options=OPTIONS) as worker:
        stop(worker.children[1].pid)
        handles = [worker.register(lambda args, i=i: i) for i in range(100)]
        assert wait_until(lambda: worker.children[1].incarnation == 2)
        assert all_ready(worker)
        assert worker.children[1].installed == {handle.hashid: 1 for handle in handles}


def test_a_child_that_is_being_killed_receives_no_requests():
    # No call here can wait for the control timeout: the test's own time limit is shorter.
    with Worker(sub_workers=2, options=LONG) as worker:
        for death in range(20):
            os.kill(worker.children[1].pid, signal.SIGKILL)
            handle = worker.register(one)
            worker.unregister(handle)
            assert wait_until(lambda death=death: worker.children[1].incarnation == death + 2)
            assert all_ready(worker)


def test_a_removal_that_a_stopped_child_never_confirms_succeeds_and_the_replacement_does_not_install_it(worker):
    handle, other = worker.register(one), worker.register(two)
    with Stopped(worker, 2):
        worker.unregister(handle)
        again = worker.register(one)
        assert again.hashid == handle.hashid
        worker.unregister(again)
        tasks = worker.submit(lambda o: [o.submit_sub(other) for _ in range(3)])
        assert wait_until(lambda: worker.children[2].incarnation == 2)
        assert all_ready(worker)
    assert [task.result(10) for task in tasks.result(10)] == [2, 2, 2]
    assert [child.installed for child in worker.children[2:]] == [{other.hashid: 1}] * 2


def test_releasing_one_of_several_handles_sends_no_request():
    with Worker(sub_workers=2, options=LONG) as worker:
        first, second = worker.register(one), worker.register(one)
        with Stopped(worker, 0):
            third = worker.register(one)
            worker.unregister(first)
            assert [child.installed for child in worker.children] == [{first.hashid: 2}] * 2
            worker.unregister(third)
        assert worker.run(lambda o: o.submit_sub(second)).result() == 1
        worker.unregister(second)
        assert not any(child.installed for child in worker.children)


def test_a_stopped_child_holds_up_no_registrations_that_do_not_need_it(chip):
    with Worker(chips=1, sub_workers=1, options=LONG) as worker, Stopped(worker, 1):
        for _ in range(20):
            worker.unregister(worker.register(chip["add"]))


def test_simultaneous_registrations_that_meet_a_silent_child_all_succeed(worker):
    handles = []
    threads = [threading.Thread(target=lambda i=i: handles.append(worker.register(lambda args: i))) for i in range(8)]
    with Stopped(worker, 3):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(handles) == 8
    # A registration may end before the process of the silent child has ended.
    assert wait_until(lambda: worker.children[3].incarnation == 2)
    assert all_ready(worker)
    expected = {handle.hashid: 1 for handle in handles}
    assert [child.installed for child in worker.children[2:]] == [expected] * 2
    assert [child.incarnation for child in worker.children] == [1, 1, 1, 2]


class Slow:
    """Takes longer to unpickle in a child than the control timeout, but not too long for a start."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __reduce__(self):
        return wake_up, (self.seconds,)

    def __call__(self, args):
        return None


def wake_up(seconds):
    time.sleep(seconds)
    return one


def test_a_callable_that_loads_longer_than_the_control_timeout_is_installed_when_the_replacements_start():
    with Worker(sub_workers=2, options=WorkerOptions(control_timeout=0.3, start_timeout=patience(30))) as worker:
        handle = worker.register(Slow(0.6))
        assert all_ready(worker)
        assert [child.installed for child in worker.children] == [{handle.hashid: 1}] * 2
        assert worker.run(lambda o: o.submit_sub(handle)).result() == 1


def test_a_callable_that_never_loads_is_refused_in_the_end_and_the_children_recover():
    with Worker(sub_workers=1, options=WorkerOptions(control_timeout=0.3, start_timeout=patience(3.0))) as worker:
        kept = worker.register(two)
        with pytest.raises(PartialFailureError, match=r"start_timeout \(while it installed the callable") as caught:
            worker.register(Slow(600))
        assert caught.value.results.keys() == {"sub-worker 0"}
        assert all_ready(worker)
        assert worker.children[0].installed == {kept.hashid: 1}
        assert worker.run(lambda o: o.submit_sub(kept)).result() == 2


def attempt(keep, worker):
    try:
        keep(worker.register(one))
    except RegisterTombstoneError:
        return False
    return True


def test_an_interrupted_registration_is_undone():
    with Worker(sub_workers=2, options=LONG) as worker:
        handles = []
        with Stopped(worker, 1):
            timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                worker.register(one)
            timer.join()
        assert wait_until(lambda: attempt(handles.append, worker))
        [handle] = handles
        assert worker.run(lambda o: o.submit_sub(handle)).result() == 1


def test_only_a_child_that_does_not_map_shared_memory_in_time_is_replaced(worker, chip):
    add = worker.register(chip["add"])
    with Stopped(worker, 0):
        x = worker.zeros(1 << 26, "float64")  # a new arena
        assert all_ready(worker)
        assert "did not map" in worker.children[0].last_exit
    handle = worker.register(lambda args: args[0].shape[0])
    assert worker.run(lambda o: o.submit_sub(handle, TaskArgs((x, Tag.INPUT)))).result() == 1 << 26
    small = worker.zeros(8, "float64")
    args = TaskArgs((small, Tag.INPUT), (small, Tag.INPUT), (x[:8], Tag.OUTPUT))
    worker.run(lambda o: o.submit_next_level(add, args, worker=0) and None)


def test_close_does_not_wait_for_a_silent_child():
    worker = Worker(sub_workers=2, options=WorkerOptions(control_timeout=patience(0.3), close_timeout=0.5)).init()
    stop(worker.children[1].pid)
    worker.register(one)
    begun = time.monotonic()
    worker.close()
    assert time.monotonic() - begun < 5
