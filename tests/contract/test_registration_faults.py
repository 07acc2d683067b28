"""Kills, stops and goes at every step of a registration and of a removal: the end is always exact."""

import os
import signal
import threading
import time

import pytest

from runtime import TaskArgs, Worker, WorkerOptions
from runtime.errors import CleanupUncertainError, ControlTimeout, PartialFailureError, RegisterTombstoneError
from tests.contract.conftest import Stopped, all_ready, certain, wait_until
from tests.patience import patience


def one(args):
    return 1


class TakesAWhile:
    """Needs 60 ms to be unpickled in a child."""

    def __reduce__(self):
        return arrive_late, ()

    def __call__(self, args):
        return None


def arrive_late():
    time.sleep(0.06)
    return one


def settled(worker):
    """Whether all children live, and every mark is gone."""
    return all_ready(worker) and certain(worker)


def register_at_last(worker, target):
    """Registers as soon as what is left of an earlier attempt has gone."""
    end = time.monotonic() + 20
    while True:
        try:
            return worker.register(target)
        except (RegisterTombstoneError, CleanupUncertainError, PartialFailureError):
            assert time.monotonic() < end
            time.sleep(0.005)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.04, 0.055, 0.06, 0.065, 0.08])
def test_a_child_killed_in_the_middle_of_a_registration_leaves_all_children_with_it_or_none(delay):
    with Worker(sub_workers=2) as worker:
        kept = worker.register(one)
        victim = worker.children[1].pid
        timer = threading.Timer(delay, os.kill, [victim, signal.SIGKILL])
        timer.start()
        handles, results = [], {}
        try:
            handles.append(worker.register(TakesAWhile()))
        except PartialFailureError as error:
            results = error.results
        assert bool(handles) != ("SIGKILL" in results.get("sub-worker 1", ""))
        timer.join()
        assert wait_until(lambda: worker.children[1].incarnation == 2)
        expected = {handle.hashid: 1 for handle in [kept, *handles]}
        assert settled(worker)
        assert wait_until(lambda: all(child.installed == expected for child in worker.children))
        again = register_at_last(worker, TakesAWhile())
        assert worker.run(lambda o: o.submit_sub(again)).result() == 1


@pytest.mark.parametrize("delay", [0.0, 0.0005, 0.001, 0.002, 0.004])
def test_a_child_killed_in_the_middle_of_removals_ends_with_what_is_still_held(delay):
    with Worker(sub_workers=2) as worker:
        handles = [worker.register(lambda args, i=i: i) for i in range(20)]
        timer = threading.Timer(delay, os.kill, [worker.children[0].pid, signal.SIGKILL])
        timer.start()
        for handle in handles[:10]:
            worker.unregister(handle)
        timer.join()
        assert wait_until(lambda: worker.children[0].incarnation == 2)
        assert settled(worker)
        expected = {handle.hashid: 1 for handle in handles[10:]}
        assert wait_until(lambda: all(child.installed == expected for child in worker.children))
        tasks = worker.run(lambda o: [o.submit_sub(handle) for handle in handles[10:]])
        assert [task.result() for task in tasks] == list(range(10, 20))


def test_a_child_that_goes_on_in_time_has_registered_and_released_as_if_nothing_had_been():
    with Worker(chips=1, sub_workers=2) as worker:
        held = []
        for index in (1, 2):
            for step in (lambda: held.append(worker.register(one)), lambda: worker.unregister(held.pop())):
                with Stopped(worker, index) as stopped:
                    timer = threading.Timer(0.1, os.kill, [stopped.pid, signal.SIGCONT])
                    timer.start()
                    step()
                    timer.join()
                assert not any(child.uncertain for child in worker.children)
        assert [child.incarnation for child in worker.children] == [1, 1, 1]
        assert not any(child.installed for child in worker.children)


def test_a_child_stopped_before_it_is_ready_is_ended_and_what_it_missed_is_installed_in_the_next_one(chip):
    options = WorkerOptions(start_timeout=1.0, control_timeout=1.0)
    with Worker(chips=2, options=options) as worker:
        kept = worker.register(chip["sleep_ms"])
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert wait_until(lambda: worker.children[0].incarnation == 2 and worker.children[0].pid > 0)
        os.kill(worker.children[0].pid, signal.SIGSTOP)
        assert wait_until(lambda: worker.children[0].incarnation == 3 or worker.children[0].state == "ready")
        if worker.children[0].state == "ready":  # it was quicker than we were
            os.kill(worker.children[0].pid, signal.SIGCONT)
        assert settled(worker)
        assert [child.installed for child in worker.children] == [{kept.hashid: 1}] * 2
        worker.run(lambda o: o.submit_next_level(kept, TaskArgs(scalars=[0]), worker=0) and None)


def test_children_killed_again_and_again_while_they_start_come_back_with_everything():
    with Worker(sub_workers=1, options=WorkerOptions(max_restarts=100)) as worker:
        handles = [worker.register(lambda args, i=i: i) for i in range(10)]
        killed = 0
        end = time.monotonic() + patience(1)
        while time.monotonic() < end:
            pid = worker.children[0].pid
            if pid > 0:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            time.sleep(0.01)
        assert killed > 2
        assert settled(worker)
        assert worker.children[0].installed == {handle.hashid: 1 for handle in handles}


def test_a_removal_that_a_stopped_child_never_confirms_ends_with_its_replacement():
    with Worker(sub_workers=2, options=WorkerOptions(control_timeout=1.0)) as worker:
        handle = worker.register(one)
        with Stopped(worker, 0):
            with pytest.raises(ControlTimeout) as caught:
                worker.unregister(handle)
            assert (caught.value.hashid, caught.value.operation) == (handle.hashid, "unregister")
            assert wait_until(lambda: worker.children[0].incarnation == 2)
        assert settled(worker)
        assert not any(child.installed for child in worker.children)
        assert register_at_last(worker, one).hashid == handle.hashid
