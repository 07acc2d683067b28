"""A child that dies is replaced, with every live identity installed, and only the tasks that it ran are lost."""

import ctypes
import os
import re
import signal
import time
from pathlib import Path

import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import PartialFailureError, StartError, WorkerGivenUp, WorkerLost
from tests.contract.conftest import all_ready, wait_until
from tests.patience import patience


def kill(worker, index, number=signal.SIGKILL):
    os.kill(worker.children[index].pid, number)


def killed(worker, index):
    """Kills a child and waits for its replacement."""
    incarnation = worker.children[index].incarnation
    kill(worker, index)
    assert wait_until(lambda: worker.children[index].incarnation > incarnation)
    assert all_ready(worker)


def test_a_replacement_has_every_live_identity_as_often_as_its_predecessor(chip):
    with Worker(chips=2, sub_workers=2) as worker:
        handles = [worker.register(chip["affine"]), worker.register(chip["affine"]), worker.register(chip["count"])]
        functions = [worker.register(lambda args, i=i: i) for i in range(20)]
        released = worker.register(os.getpid)
        worker.unregister(released)
        before = worker.children
        for index in (0, 3):
            killed(worker, index)
            after = worker.children[index]
            assert after.installed == before[index].installed
            assert (after.incarnation, after.kind, after.id) == (2, before[index].kind, before[index].id)
            assert after.pid != before[index].pid
            assert "SIGKILL" in after.last_exit
        assert worker.children[0].installed[handles[0].hashid] == 2
        run = worker.submit(lambda o: [o.submit_sub(function) for function in functions])
        assert [task.result() for task in run.result()] == list(range(20))


def test_only_the_running_task_of_a_killed_chip_is_lost_and_the_tasks_behind_it_run_on_the_replacement(chip):
    with Worker(chips=2) as worker:
        count = worker.register(chip["count"])
        cells = worker.zeros((2, 40), "float64")

        def orchestrate(o):
            return [
                o.submit_next_level(count, TaskArgs((cells[c, i : i + 1], Tag.INOUT), scalars=[20_000]), worker=c)
                for i in range(40)
                for c in range(2)
            ]

        run = worker.submit(orchestrate)
        assert wait_until(lambda: cells.numpy()[0, 3] == 1)
        kill(worker, 0)
        with pytest.raises(WorkerLost, match="SIGKILL"):
            run.result(30)
        assert [type(error) for error in run.errors] == [WorkerLost]
        done = cells.numpy()
        assert (done[1] == 1).all()
        assert done[0].sum() in (39, 40)
        assert (done[0] <= 1).all()


def test_tasks_that_had_not_begun_on_a_killed_sub_worker_run_elsewhere_or_on_its_replacement():
    with Worker(sub_workers=1) as worker:
        cells = worker.zeros(30, "float64")

        def bump(args):
            args[0][0] += 1
            if args.scalars[0] == 2:
                time.sleep(60)

        handle = worker.register(bump)
        run = worker.submit(
            lambda o: [o.submit_sub(handle, TaskArgs((cells[i : i + 1], Tag.INOUT), scalars=[i])) for i in range(30)]
        )
        assert wait_until(lambda: cells.numpy()[2] == 1)
        kill(worker, 0)
        assert run.wait(30)
        assert [type(error) for error in run.errors] == [WorkerLost]
        assert cells.numpy().tolist() == [1] * 30


def test_a_task_that_is_declared_idempotent_begins_again_on_the_replacement(chip):
    with Worker(chips=1, sub_workers=1) as worker:
        begun = worker.zeros(2, "float64")

        def crash_once(args):
            args[0][0] += 1
            if args[0][0] == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return "done"

        python, kernel = worker.register(crash_once), worker.register(chip["crash_once"])
        again = CallConfig(retries=1)
        task = worker.run(lambda o: o.submit_sub(python, TaskArgs((begun[:1], Tag.INOUT)), again))
        assert task.result() == "done"
        worker.run(lambda o: o.submit_next_level(kernel, TaskArgs((begun[1:], Tag.INOUT)), again, worker=0) and None)
        assert begun.numpy().tolist() == [2, 2]


def test_a_task_is_begun_again_no_more_often_than_it_allows():
    with Worker(sub_workers=1) as worker:
        handle = worker.register(lambda args: os._exit(3))
        with pytest.raises(WorkerLost, match="status 3"):
            worker.run(lambda o: o.submit_sub(handle, None, CallConfig(retries=2)))
        assert all_ready(worker)
        assert worker.children[0].incarnation == 4


def test_a_lost_task_poisons_its_dependents_on_its_own_and_on_other_children(chip):
    with Worker(chips=2) as worker:
        meet, affine = worker.register(chip["meet"]), worker.register(chip["affine"])
        x, came = worker.zeros(4, "float64"), worker.zeros(2, "float64")

        def orchestrate(o):
            lost = o.submit_next_level(meet, TaskArgs((came, Tag.NO_DEP), scalars=[0, 2]), worker=0)
            args = TaskArgs((x, Tag.INOUT), scalars=[1, 1])
            same = o.submit_next_level(affine, args, worker=0, after=[lost])
            other = o.submit_next_level(affine, args, worker=1, after=[lost])
            free = o.submit_next_level(meet, TaskArgs((came, Tag.NO_DEP), scalars=[0, 1]), worker=0)
            return lost, same, other, free

        holder = []
        run = worker.submit(lambda o: holder.extend(orchestrate(o)))
        assert wait_until(lambda: came.numpy()[0] == 1)
        kill(worker, 0)
        assert run.wait(20)
        kinds = [type(task.exception()).__name__ for task in holder]
        assert kinds == ["WorkerLost", "TaskSkipped", "TaskSkipped", "NoneType"]
        assert x.numpy().sum() == 0


def test_a_replacement_has_all_shared_memory_old_and_new(chip):
    with Worker(chips=1, sub_workers=1, options=WorkerOptions(arena_bytes=1 << 20)) as worker:
        add = worker.register(chip["add"])
        total = worker.register(lambda args: float(args[0].sum()))
        old = worker.zeros(100_000, "float64")
        old.numpy()[:] = 1
        for index in (0, 1):
            killed(worker, index)
        new = worker.zeros(100_000, "float64")
        args = TaskArgs((old, Tag.INPUT), (old, Tag.INPUT), (new, Tag.OUTPUT))
        worker.run(lambda o: o.submit_next_level(add, args, worker=0) and None)
        assert worker.run(lambda o: o.submit_sub(total, TaskArgs((new, Tag.INPUT)))).result() == 200_000


def test_a_child_that_keeps_dying_is_given_up_and_the_others_go_on(chip):
    with Worker(chips=2, sub_workers=1, options=WorkerOptions(max_restarts=1)) as worker:
        crash, sleep = worker.register(chip["segfault"]), worker.register(chip["sleep_ms"])

        def orchestrate(o):
            for _ in range(2):
                o.submit_next_level(crash, TaskArgs(scalars=[8]), worker=0)
            holder.append(o.submit_next_level(sleep, TaskArgs(scalars=[0]), worker=0))
            holder.append(o.submit_next_level(sleep, TaskArgs(scalars=[0]), worker=1))

        holder = []
        assert worker.submit(orchestrate).wait(20)
        never, fine = (task.exception() for task in holder)
        assert isinstance(never, WorkerGivenUp)
        assert fine is None
        words = r"chip 0 was given up after 2 deaths within 60 s.*SIGSEGV.*max_restarts"
        with pytest.raises(WorkerGivenUp, match=words) as refused:
            worker.run(lambda o: o.submit_next_level(sleep, TaskArgs(scalars=[0]), worker=0))
        for error in (never, refused.value):
            assert (error.worker, error.signal, error.exit_status) == ("chip 0", signal.SIGSEGV, None)
            assert error.pid > 0
        assert re.search(words, str(never))
        assert [child.last_signal for child in worker.children] == [signal.SIGSEGV, None, None]
        assert [child.state for child in worker.children] == ["lost", "ready", "ready"]
        handle = worker.register(chip["add"])  # registration needs only the children that live
        assert [child.installed.get(handle.hashid, 0) for child in worker.children] == [0, 1, 0]


def test_when_every_sub_worker_is_given_up_queued_tasks_fail_and_further_tasks_are_refused():
    with Worker(sub_workers=1, options=WorkerOptions(max_restarts=2)) as worker:
        handle = worker.register(lambda args: os.kill(os.getpid(), signal.SIGKILL))
        run = worker.submit(lambda o: [o.submit_sub(handle) for _ in range(10)])
        assert run.wait(20)
        assert [type(error) for error in run.errors] == [WorkerLost] * 3 + [WorkerGivenUp] * 7
        with pytest.raises(WorkerGivenUp, match="every sub-worker"):
            worker.run(lambda o: o.submit_sub(handle))


class Loads:
    """Can be unpickled only while a file exists."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return load, (self.path,)

    def __call__(self, args):
        return None


def load(path):
    if not Path(path).exists():
        raise RuntimeError("the file is gone")
    return len


def test_a_replacement_that_cannot_install_a_live_identity_gets_no_tasks_and_reports_the_reason(tmp_path):
    path = tmp_path / "there"
    path.touch()
    with Worker(sub_workers=2, options=WorkerOptions(max_restarts=1)) as worker:
        handle = worker.register(Loads(str(path)))
        path.unlink()
        kill(worker, 0)
        assert wait_until(lambda: worker.children[0].state == "lost")
        assert "cannot install callable Loads" in worker.children[0].last_exit
        assert "the file is gone" in worker.children[0].last_exit
        assert worker.children[1].state == "ready"
        assert worker.children[1].installed == {handle.hashid: 1}


SLOW_FORKS = """
import os, time
opened, fork_server = os.pidfd_open, os.getpid()

def open_slowly(pid, flags=0):
    if os.getpid() != fork_server:
        return opened(pid, flags)  # in its children, modules may ask whether there are such descriptors
    while os.path.exists({mark!r}) and not os.path.exists({failed!r}):
        time.sleep(0.001)
    if os.path.exists({failed!r}):
        time.sleep(0.1)  # the child's answer arrives before the fork server's
    return opened(pid, flags)

os.pidfd_open = open_slowly
"""


class FailsLoudly:
    """Cannot be unpickled while the file ``mark`` exists; an attempt creates the file ``failed``."""

    def __init__(self, mark, failed):
        self.files = str(mark), str(failed)

    def __reduce__(self):
        return fail_loudly, self.files

    def __call__(self, args):
        return None


def fail_loudly(mark, failed):
    if Path(mark).exists():
        Path(failed).touch()
        raise RuntimeError("not any more")
    return len


def test_a_replacement_that_fails_before_its_parent_has_learnt_its_pid_is_still_ended(tmp_path, monkeypatch):
    mark, failed = tmp_path / "mark", tmp_path / "failed"
    (tmp_path / "sitecustomize.py").write_text(SLOW_FORKS.format(mark=str(mark), failed=str(failed)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    options = WorkerOptions(max_restarts=1, start_timeout=patience(30))
    with Worker(sub_workers=1, options=options) as worker:
        worker.register(FailsLoudly(mark, failed))
        mark.touch()
        kill(worker, 0)
        assert wait_until(lambda: worker.children[0].state == "lost")
        assert "not any more" in worker.children[0].last_exit


def test_a_callable_that_no_child_can_install_fails_the_start_like_a_registration(tmp_path):
    path = tmp_path / "there"
    path.touch()
    worker = Worker(sub_workers=2)
    handle = worker.register(Loads(str(path)))
    path.unlink()
    with pytest.raises(PartialFailureError, match="the file is gone") as caught:
        worker.init()
    assert caught.value.hashid == handle.hashid


def test_a_child_that_dies_while_it_starts_fails_the_start_and_is_not_replaced(tmp_path):
    path = tmp_path / "there"
    path.touch()
    worker = Worker(sub_workers=1)
    worker.register(Dies())
    with pytest.raises(StartError, match="status 5"):
        worker.init()


class Dies:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (5,)

    def __call__(self, args):
        return None


def test_a_callable_that_kills_every_child_that_loads_it_is_refused_and_the_replacements_are_spared(chip):
    with Worker(sub_workers=2) as worker:
        kept = worker.register(len)
        why = r"status 5 \(while it installed the callable, like its earlier processes\)"
        with pytest.raises(PartialFailureError, match=why):
            worker.register(Dies())
        assert all_ready(worker)
        assert [child.installed for child in worker.children] == [{kept.hashid: 1}] * 2
        assert worker.run(lambda o: o.submit_sub(kept, TaskArgs(scalars=[]))).exception() is None


def test_a_tombstoned_identity_is_installed_on_the_replacement_for_its_accepted_tasks():
    with Worker(sub_workers=1) as worker:
        cells = worker.zeros(10, "float64")

        def bump(args):
            time.sleep(0.02)
            args[0][0] += 1
            if args.scalars[0] == 5:
                os.kill(os.getpid(), signal.SIGKILL)

        handle = worker.register(bump)
        run = worker.submit(
            lambda o: [o.submit_sub(handle, TaskArgs((cells[i : i + 1], Tag.INOUT), scalars=[i])) for i in range(10)]
        )
        worker.unregister(handle)
        assert run.wait(20)
        assert [type(error) for error in run.errors] == [WorkerLost]
        assert cells.numpy().tolist() == [1] * 10
        assert wait_until(lambda: not worker.children[0].installed)


@pytest.mark.parametrize("step", range(6))
def test_children_killed_at_random_moments_of_a_run_lose_only_the_tasks_that_they_ran(step, chip):
    with Worker(chips=2, sub_workers=2, options=WorkerOptions(max_restarts=100)) as worker:
        count, bump = worker.register(chip["count"]), worker.register(lambda args: args[0].__iadd__(1) is None)
        cells = worker.zeros((4, 100), "float64")

        def orchestrate(o):
            for i in range(100):
                for c in range(2):
                    o.submit_next_level(count, TaskArgs((cells[c, i : i + 1], Tag.INOUT), scalars=[500]), worker=c)
                    o.submit_sub(bump, TaskArgs((cells[2 + c, i : i + 1], Tag.INOUT)))

        run = worker.submit(orchestrate)
        kills = 0
        for i in range(4):
            time.sleep(0.003 * step)
            pid = worker.children[i].pid
            if pid > 0:
                os.kill(pid, signal.SIGKILL)
                kills += 1
        assert run.wait(30)
        assert all(isinstance(error, WorkerLost) for error in run.errors)
        assert len(run.errors) <= kills
        done = cells.numpy()
        assert (done <= 1).all()
        assert done.sum() >= 400 - kills


def overwrite_own_lane(args):
    """Overwrites its lane's count of completions with a very large one; does not end by itself."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "callring-lane" in line:
            ctypes.memset(int(line.split("-")[0], 16) + 384, 0xFF, 8)  # LaneHeader::completions.tail
    time.sleep(60)


def test_a_child_that_writes_over_its_lane_is_replaced_and_harms_no_other_child():
    with Worker(sub_workers=2) as worker:
        handle, one = worker.register(overwrite_own_lane), worker.register(lambda args: 1)
        run = worker.submit(lambda o: o.submit_sub(handle))
        # The parent reads the lanes when a child rings: here the other child does, again and again.
        assert wait_until(lambda: worker.run(lambda o: o.submit_sub(one)).result() and run.done, 30)
        with pytest.raises(WorkerLost, match="wrote over its lane"):
            run.result()
        assert all_ready(worker)
        assert sorted(child.incarnation for child in worker.children) == [1, 2]
        assert [child.installed for child in worker.children] == [{handle.hashid: 1, one.hashid: 1}] * 2
