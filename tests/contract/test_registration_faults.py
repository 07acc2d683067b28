"""Children are killed, stopped and continued at every step of a registration or removal: the result is always exact."""

import contextlib
import functools
import os
import signal
import threading
import time

import pytest

from runtime import TaskArgs, Worker, WorkerOptions
from runtime.errors import PartialFailureError, WorkerLost
from tests.contract.conftest import Stopped, all_ready, wait_until
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


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.04, 0.055, 0.06, 0.065, 0.08])
def test_a_child_killed_in_the_middle_of_a_registration_does_not_fail_it_and_its_replacement_installs_it(delay):
    with Worker(sub_workers=2) as worker:
        kept = worker.register(one)
        timer = threading.Timer(delay, os.kill, [worker.children[1].pid, signal.SIGKILL])
        timer.start()
        handle = worker.register(TakesAWhile())
        timer.join()
        assert wait_until(lambda: worker.children[1].incarnation == 2)
        assert all_ready(worker)
        assert [child.installed for child in worker.children] == [{kept.hashid: 1, handle.hashid: 1}] * 2
        assert worker.run(lambda o: o.submit_sub(handle)).result() == 1


def test_the_only_child_killed_in_the_middle_of_a_registration_fails_nothing_either():
    with Worker(sub_workers=1) as worker:
        timer = threading.Timer(0.03, os.kill, [worker.children[0].pid, signal.SIGKILL])
        timer.start()
        handle = worker.register(TakesAWhile())
        timer.join()
        assert wait_until(lambda: worker.children[0].incarnation == 2)
        assert all_ready(worker)
        assert worker.children[0].installed == {handle.hashid: 1}


def test_every_child_killed_while_callables_are_registered_and_released_fails_none_of_them():
    with Worker(chips=0, sub_workers=3, options=WorkerOptions(max_restarts=1000)) as worker:
        over = threading.Event()
        killed = []

        def kill_one_after_the_other():
            while not over.wait(0.005):
                ready = [child for child in worker.children if child.state == "ready"]
                if ready:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(ready[len(killed) % len(ready)].pid, signal.SIGKILL)
                    killed.append(ready)

        killer = threading.Thread(target=kill_one_after_the_other)
        killer.start()
        try:
            held = []
            for i in range(150):
                held.append(worker.register(lambda args, i=i: i))
                if i % 3 == 2:
                    worker.unregister(held.pop(0))
        finally:
            over.set()
            killer.join()
        assert killed
        assert all_ready(worker)
        expected = {handle.hashid: 1 for handle in held}
        assert wait_until(lambda: [child.installed for child in worker.children] == [expected] * 3)


def test_a_registration_whose_children_are_all_given_up_fails_with_that_reason(chip):
    with Worker(chips=1, sub_workers=1, options=WorkerOptions(max_restarts=0)) as worker:
        os.kill(worker.children[1].pid, signal.SIGKILL)
        assert wait_until(lambda: worker.children[1].state == "lost")
        with pytest.raises(PartialFailureError, match="given_up: was given up after 1 death within") as caught:
            worker.register(one)
        assert caught.value.results.keys() == {"sub-worker 0"}
        handle = worker.register(chip["sleep_ms"])
        worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[0]), worker=0) and None)


def test_a_registration_whose_last_child_is_given_up_meanwhile_fails():
    with Worker(sub_workers=1, options=WorkerOptions(max_restarts=0)) as worker:
        timer = threading.Timer(0.03, os.kill, [worker.children[0].pid, signal.SIGKILL])
        timer.start()
        with pytest.raises(PartialFailureError, match="sub-worker 0: given_up"):
            worker.register(TakesLong())
        timer.join()


class TakesLong(TakesAWhile):
    """Takes so long to unpickle that only the end of its process ends that."""

    def __reduce__(self):
        return time.sleep, (600,)


@pytest.mark.parametrize("delay", [0.0, 0.0005, 0.001, 0.002, 0.004])
def test_a_child_killed_in_the_middle_of_removals_ends_with_the_callables_that_are_still_held(delay):
    with Worker(sub_workers=2) as worker:
        handles = [worker.register(lambda args, i=i: i) for i in range(20)]
        timer = threading.Timer(delay, os.kill, [worker.children[0].pid, signal.SIGKILL])
        timer.start()
        for handle in handles[:10]:
            worker.unregister(handle)
        timer.join()
        assert wait_until(lambda: worker.children[0].incarnation == 2)
        assert all_ready(worker)
        expected = {handle.hashid: 1 for handle in handles[10:]}
        assert wait_until(lambda: all(child.installed == expected for child in worker.children))
        tasks = worker.run(lambda o: [o.submit_sub(handle) for handle in handles[10:]])
        assert [task.result() for task in tasks] == list(range(10, 20))


def test_a_child_that_is_continued_in_time_registers_and_releases_as_if_it_had_not_stopped():
    with Worker(chips=1, sub_workers=2) as worker:
        held = []
        for index in (1, 2):
            for step in (lambda: held.append(worker.register(one)), lambda: worker.unregister(held.pop())):
                with Stopped(worker, index) as stopped:
                    timer = threading.Timer(0.1, os.kill, [stopped.pid, signal.SIGCONT])
                    timer.start()
                    step()
                    timer.join()
        assert [child.incarnation for child in worker.children] == [1, 1, 1]
        assert not any(child.installed for child in worker.children)


def test_a_child_stopped_before_it_is_ready_is_killed_and_its_replacement_installs_all_callables(chip):
    options = WorkerOptions(start_timeout=patience(2.0), control_timeout=patience(1.0))
    with Worker(chips=2, options=options) as worker:
        kept = worker.register(chip["sleep_ms"])
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert wait_until(lambda: worker.children[0].incarnation == 2 and worker.children[0].pid > 0)
        os.kill(worker.children[0].pid, signal.SIGSTOP)
        assert wait_until(lambda: worker.children[0].incarnation == 3 or worker.children[0].state == "ready")
        if worker.children[0].state == "ready":  # the replacement was faster than this test
            os.kill(worker.children[0].pid, signal.SIGCONT)
        assert all_ready(worker)
        assert [child.installed for child in worker.children] == [{kept.hashid: 1}] * 2
        worker.run(lambda o: o.submit_next_level(kept, TaskArgs(scalars=[0]), worker=0) and None)


class LoadsUnless:
    """The first process that finds the file ``obstacle`` removes the file, and cannot load this callable."""

    def __init__(self, obstacle, began):
        self.paths = obstacle, began

    def __reduce__(self):
        return take_away, self.paths

    def __call__(self, args):
        return None


def take_away(obstacle, began):
    if obstacle.exists():
        obstacle.unlink()
        raise RuntimeError("there was an obstacle")
    return functools.partial(stay_if_first, began)


def stay_if_first(began, args):
    if not began.exists():
        began.touch()
        time.sleep(600)
    return 1


def test_a_replacement_that_cannot_install_what_accepted_tasks_need_is_replaced_though_the_handle_is_gone(tmp_path):
    obstacle, began = tmp_path / "obstacle", tmp_path / "began"
    with Worker(sub_workers=1) as worker:
        handle = worker.register(LoadsUnless(obstacle, began))
        first, second = [worker.submit(lambda o: o.submit_sub(handle)) for _ in range(2)]
        assert wait_until(began.exists)
        worker.unregister(handle)
        obstacle.touch()
        os.kill(worker.children[0].pid, signal.SIGKILL)
        with pytest.raises(WorkerLost):
            first.result()
        assert second.result().result() == 1
        assert "there was an obstacle" in worker.children[0].last_exit
        assert worker.children[0].incarnation == 3


def test_children_killed_again_and_again_while_they_start_are_replaced_with_all_their_callables():
    with Worker(sub_workers=1, options=WorkerOptions(max_restarts=100)) as worker:
        handles = [worker.register(lambda args, i=i: i) for i in range(10)]
        killed = 0
        end = time.monotonic() + patience(1)
        while time.monotonic() < end:
            pid = worker.children[0].pid
            if pid > 0:
                with contextlib.suppress(ProcessLookupError):  # the previous signal may just have ended it
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            time.sleep(0.01)
        assert killed > 2
        assert all_ready(worker)
        assert worker.children[0].installed == {handle.hashid: 1 for handle in handles}
