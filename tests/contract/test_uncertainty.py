"""A child that does not answer: what it may have installed is uncertain, and blocks nobody else."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import CleanupUncertainError, ControlTimeout, PartialFailureError, RegisterTombstoneError
from tests.contract.conftest import (
    Large,
    Stopped,
    all_ready,
    answered_once_of_twice,
    certain,
    stop,
    wait_until,
)
from tests.patience import patience

# Long enough to do something between the timeout and the replacement that follows after the same time again.
OPTIONS = WorkerOptions(control_timeout=patience(2.0))


def one(args):
    return 1


def two(args):
    return 2


@pytest.fixture
def worker():
    with Worker(chips=2, sub_workers=2, options=OPTIONS) as made:
        yield made


def test_a_registration_without_an_answer_is_uncertain_until_the_late_answer_comes(worker):
    kept = worker.register(two)
    pids = [child.pid for child in worker.children]
    with Stopped(worker, 3):
        with pytest.raises(PartialFailureError, match=r"sub-worker 1: timeout") as caught:
            worker.register(one)
        hashid = caught.value.hashid
        assert caught.value.results == {
            "sub-worker 0": "ok",
            "sub-worker 1": "timeout: no answer within the control timeout",
        }
        assert [child.uncertain for child in worker.children] == [[], [], [], [hashid]]
        with pytest.raises(CleanupUncertainError, match=r"one may be half installed in sub-worker 1"):
            worker.register(one)
    assert certain(worker)
    # Taken back everywhere, and nobody was replaced.
    assert wait_until(lambda: [c.installed for c in worker.children[2:]] == [{kept.hashid: 1}] * 2)
    assert [child.pid for child in worker.children] == pids
    handle = worker.register(one)
    assert worker.run(lambda o: o.submit_sub(handle)).result() == 1


def test_a_child_that_never_answers_is_replaced_and_the_mark_goes_with_it(worker):
    kept = worker.register(two)
    with Stopped(worker, 3):
        with pytest.raises(PartialFailureError):
            worker.register(one)
        assert wait_until(lambda: worker.children[3].incarnation == 2)
        assert all_ready(worker)
        assert "did not answer control requests" in worker.children[3].last_exit
        assert [child.installed for child in worker.children[2:]] == [{kept.hashid: 1}] * 2
        handle = worker.register(one)
        assert [child.installed[handle.hashid] for child in worker.children[2:]] == [1, 1]


def test_a_release_without_an_answer_makes_the_identity_uncertain_until_its_child_is_replaced(worker):
    handle, other = worker.register(one), worker.register(two)
    with Stopped(worker, 2):
        with pytest.raises(ControlTimeout, match="sub-worker 0"):
            worker.unregister(handle)
        with pytest.raises(CleanupUncertainError, match="sub-worker 0"):
            worker.register(one)
        # Other identities are not concerned; the living sub-worker takes their tasks.
        tasks = worker.submit(lambda o: [o.submit_sub(other) for _ in range(3)])
        assert wait_until(lambda: worker.children[2].incarnation == 2)
    assert certain(worker)
    assert [task.result(10) for task in tasks.result(10)] == [2, 2, 2]
    assert worker.run(lambda o: o.submit_sub(worker.register(one))).result() == 1


def test_releasing_one_of_several_handles_asks_no_child(worker):
    first, second = worker.register(one), worker.register(one)
    with Stopped(worker, 2):
        third = worker.register(one)
        worker.unregister(first)
        assert [child.installed for child in worker.children[2:]] == [{first.hashid: 2}] * 2
        worker.unregister(third)
    assert worker.run(lambda o: o.submit_sub(second)).result() == 1
    worker.unregister(second)
    assert not any(child.installed for child in worker.children)


def test_a_second_registration_without_an_answer_makes_the_identity_uncertain_for_all_its_handles(worker):
    other = worker.register(two)
    with answered_once_of_twice(worker, 3) as (handle, error):
        assert error.results["sub-worker 1"].startswith("timeout")
        for use in (
            lambda: worker.run(lambda o: o.submit_sub(handle)),
            lambda: worker.unregister(handle),
            lambda: worker.register(Large()),
        ):
            with pytest.raises(CleanupUncertainError, match="sub-worker 1"):
                use()
        assert worker.run(lambda o: o.submit_sub(other)).result() == 2
    assert certain(worker)
    assert worker.run(lambda o: o.submit_sub(handle)).result() == 1
    worker.unregister(handle)
    assert [child.installed for child in worker.children[2:]] == [{other.hashid: 1}] * 2


def test_a_stopped_child_holds_up_nobody_elses_registrations(worker, chip):
    with Stopped(worker, 3):
        begun = time.monotonic()
        for _ in range(20):
            worker.unregister(worker.register(chip["add"]))
        assert time.monotonic() - begun < OPTIONS.control_timeout
        # Several at once wait together, not one after the other.
        errors = []

        def attempt(i):
            try:
                worker.register(lambda args: i)
            except PartialFailureError as error:
                errors.append(error)

        threads = [threading.Thread(target=attempt, args=(i,)) for i in range(8)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(errors) == 8
        assert time.monotonic() - begun < 3 * OPTIONS.control_timeout
    assert certain(worker)


class Slow:
    """Is not unpickled in a child before there is a file."""

    def __init__(self, gate):
        self.gate = gate

    def __reduce__(self):
        return wait_at, (self.gate,)

    def __call__(self, args):
        return None


def wait_at(gate):
    while not Path(gate).exists():
        time.sleep(0.002)
    return one


def test_what_installs_too_late_is_taken_back_by_its_late_answer(tmp_path):
    gate = tmp_path / "open"
    options = WorkerOptions(control_timeout=patience(2.0), start_timeout=patience(4.0))
    with Worker(sub_workers=2, options=options) as worker:
        with pytest.raises(PartialFailureError, match=r"timeout: .*WorkerOptions\.start_timeout"):
            worker.register(Slow(str(gate)))
        gate.touch()
        assert certain(worker)
        assert wait_until(lambda: all(not child.installed for child in worker.children))
        assert all(child.incarnation == 1 for child in worker.children)


def test_a_child_killed_while_it_is_uncertain_takes_the_mark_along(worker):
    with Stopped(worker, 3) as stopped:
        with pytest.raises(PartialFailureError):
            worker.register(one)
        os.kill(stopped.pid, signal.SIGKILL)
        assert certain(worker)
        assert all_ready(worker)
        worker.register(one)


def attempt(keep, worker):
    try:
        keep(worker.register(one))
    except RegisterTombstoneError:
        return False
    return True


def test_an_interrupted_registration_is_taken_back(worker):
    handles = []
    with Stopped(worker, 3):
        timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            worker.register(one)
        timer.join()
    assert wait_until(lambda: attempt(handles.append, worker))
    [handle] = handles
    assert worker.run(lambda o: o.submit_sub(handle)).result() == 1


def test_shared_memory_that_a_child_does_not_map_in_time_costs_only_that_child(worker, chip):
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


def test_close_does_not_wait_for_an_uncertain_child():
    worker = Worker(sub_workers=2, options=WorkerOptions(control_timeout=0.3, close_timeout=0.5)).init()
    pid = worker.children[1].pid
    stop(pid)
    with pytest.raises(PartialFailureError):
        worker.register(one)
    begun = time.monotonic()
    worker.close()
    assert time.monotonic() - begun < 5
