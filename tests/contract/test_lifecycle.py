import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from runtime import TaskArgs, Worker, WorkerOptions
from runtime.errors import ConfigurationError, PlatformUnavailable, StartError, WorkerClosed
from tests.contract.conftest import descendants, wait_until
from tests.patience import patience


def test_a_worker_starts_all_children_and_close_ends_them():
    worker = Worker(chips=2, sub_workers=2).init()
    assert [(c.kind, c.id, c.state) for c in worker.children] == [
        ("chip", 0, "ready"),
        ("chip", 1, "ready"),
        ("sub", 0, "ready"),
        ("sub", 1, "ready"),
    ]
    assert worker.close() == []
    assert {c.state for c in worker.children} == {"closed"}


def test_close_is_idempotent_and_terminal():
    worker = Worker(chips=1).init()
    worker.close()
    assert worker.close() == []
    with pytest.raises(WorkerClosed):
        worker.init()
    with pytest.raises(WorkerClosed):
        worker.run(lambda o: None)


def test_the_error_of_a_worker_that_was_not_started_names_init():
    worker = Worker(chips=1)
    with pytest.raises(WorkerClosed, match="init"):
        worker.run(lambda o: None)
    worker.close()


def test_close_from_another_thread_ends_the_worker():
    worker = Worker(chips=1, sub_workers=1).init()
    thread = threading.Thread(target=worker.close)
    thread.start()
    thread.join()
    assert {c.state for c in worker.children} == {"closed"}


def test_children_outlive_the_thread_that_started_the_worker():
    workers = []
    thread = threading.Thread(target=lambda: workers.append(Worker(chips=1).init()))
    thread.start()
    thread.join()
    assert workers[0].run(lambda o: 7) == 7
    assert workers[0].children[0].state == "ready"
    workers[0].close()


def test_a_worker_that_is_garbage_collected_leaves_no_process():
    before = descendants()
    worker = Worker(chips=1, sub_workers=1).init()
    assert descendants() - before
    del worker
    gc.collect()
    assert wait_until(lambda: not descendants() - before)


def test_a_referenced_run_keeps_the_children_of_an_unreferenced_worker():
    def begun():
        worker = Worker(sub_workers=1).init()
        handle = worker.register(lambda args: 7)
        return worker.submit(lambda o: o.submit_sub(handle))

    before = descendants()
    run = begun()
    gc.collect()
    assert descendants() - before
    task = run.result()
    del run
    gc.collect()
    assert task.result() == 7
    assert descendants() - before
    del task
    gc.collect()
    assert wait_until(lambda: not descendants() - before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chips": -1}, "chips=-1"),
        ({"chips": 0}, "at least one child"),
        ({"chips": 1, "sub_workers": -2}, "sub_workers=-2"),
        ({"chips": 1, "device_ids": [0]}, "not both"),
        ({"device_ids": [1, 1]}, "distinct"),
        ({"level": 4, "chips": 1}, "chips=1: a level 4"),
        ({"level": 2, "chips": 2}, "exactly one chip"),
        ({"chips": 1, "platform": "a9"}, "a2a3sim"),
        ({"chips": True}, "chips=True"),
    ],
)
def test_an_impossible_topology_is_refused_before_anything_starts(arguments, message):
    before = descendants()
    with pytest.raises(ConfigurationError, match=message):
        Worker(**arguments)
    assert descendants() == before


def test_an_unknown_keyword_is_refused():
    with pytest.raises(TypeError, match="chip_count"):
        Worker(chip_count=3)


def test_the_error_of_a_real_platform_names_the_missing_toolkit():
    with pytest.raises(PlatformUnavailable, match=r"CANN.*a2a3sim"):
        Worker(chips=1, platform="a2a3")


def test_a_start_may_run_out_of_time_at_any_moment_and_leaves_nothing():
    before = descendants()
    for milliseconds in range(5, 105, 5):
        with contextlib.suppress(StartError):
            Worker(chips=1, sub_workers=2, options=WorkerOptions(start_timeout=milliseconds / 1000)).init().close()
    assert wait_until(lambda: not descendants() - before)


@pytest.mark.parametrize("options", [{"lane_capacity": 3}, {"arena_bytes": 1}, {"start_timeout": 0}])
def test_an_option_out_of_range_is_named(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        WorkerOptions(**options)


def test_a_chip_child_has_no_python_in_it():
    with Worker(chips=1) as worker:
        maps = Path(f"/proc/{worker.children[0].pid}/maps").read_text()
        assert "callring-chip" in maps
        assert not any(word in maps for word in ("libpython", "cpython", "bin/python"))


def test_device_ids_name_the_chips(chip):
    with Worker(device_ids=[2, 5]) as worker:
        handle = worker.register(chip["sleep_ms"])
        worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[0]), worker=5) and None)
        assert [(c.id, c.completed) for c in worker.children] == [(2, 0), (5, 1)]
        with pytest.raises(ConfigurationError, match="worker=0"):
            worker.run(lambda o: o.submit_next_level(handle, worker=0))


def test_a_level_2_worker_runs_a_handle_directly(chip):
    with Worker(level=2) as worker:
        worker.run(worker.register(chip["sleep_ms"]), TaskArgs(scalars=[0]))
        assert worker.children[0].completed == 1


PARENT = """
import time
from runtime import TaskArgs, Worker
def nap(args):
    time.sleep(60)
worker = Worker(chips=8, sub_workers=2).init()
nap = worker.register(nap)
run = worker.submit(lambda o: [o.submit_sub(nap) for _ in range(4)] and None)
print(*[child.pid for child in worker.children], flush=True)
run.result()
"""


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_end_with_a_parent_that_is_killed_in_the_middle_of_a_run(signal_number):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 10
        parent.send_signal(signal_number)
        parent.wait(timeout=patience(20))

    def gone(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    assert wait_until(lambda: all(map(gone, pids)))


def _in_a_fork(work):
    """Runs ``work`` in a forked process. Returns its exit code, or None if it had to be killed."""
    with warnings.catch_warnings():
        # These tests do what CPython warns of: they fork a process with threads.
        warnings.filterwarnings("ignore", ".* is multi-threaded, use of fork", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    ended = []

    def has_ended():
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(ended)

    if not wait_until(has_ended):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return None
    return ended[0]


def test_a_fork_of_the_parent_does_not_end_the_children():
    # Garbage of the parent, which the fork collects although the garbage's threads do not exist in the fork.
    garbage = [Worker(chips=1).init()]
    garbage.append(garbage)
    below = descendants()
    gc.disable()
    try:
        del garbage
        with Worker(chips=1) as worker:
            assert _in_a_fork(gc.collect) == 0
            assert worker.run(lambda o: 1) == 1
            assert worker.children[0].state == "ready"
            assert below <= descendants()
    finally:
        gc.enable()
        gc.collect()


def test_a_fork_cannot_use_its_parents_tasks_and_runs(chip):
    refused = pytest.raises(WorkerClosed, match="belongs to the process that forked this one; make a Worker here")

    def fork(run, task):
        for use in (
            task.done,
            task.wait,
            task.result,
            task.exception,
            lambda: task.result(1),
            run.done,
            run.wait,
            run.result,
            run.cancel,
            lambda: run.errors,
            lambda: asyncio.run(awaited(run)),
        ):
            with refused:
                use()
        assert "Run" in repr(run)

    async def awaited(run):
        return await run

    def submits(o, handle):
        def fork():
            with refused:
                o.submit_next_level(handle, TaskArgs(scalars=[1]), worker=0)

        assert _in_a_fork(fork) == 0
        return o.submit_next_level(handle, TaskArgs(scalars=[200]), worker=0)

    with Worker(chips=1) as worker:
        handle = worker.register(chip["sleep_ms"])
        tasks = []
        run = worker.submit(lambda o: tasks.append(submits(o, handle)))
        [task] = tasks
        assert _in_a_fork(lambda: fork(run, task)) == 0
        run.result(10)
        assert task.done()
        assert _in_a_fork(lambda: fork(run, task)) == 0


@pytest.mark.not_sanitized("ThreadSanitizer cannot start threads in a fork of a process with threads", "thread")
def test_a_fork_can_neither_use_nor_close_its_parents_worker():
    def fork(worker):
        with pytest.raises(WorkerClosed, match="belongs to the process that forked this one; make a Worker here"):
            worker.run(lambda o: 1)
        assert worker.close() == []
        with Worker(chips=1) as own:
            assert own.run(lambda o: 2) == 2

    with Worker(chips=1) as worker:
        assert _in_a_fork(lambda: fork(worker)) == 0
        assert worker.run(lambda o: 1) == 1
