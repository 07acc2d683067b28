"""How often a waiting thread wakes up while children work."""

import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime import TaskArgs, Worker

TASKS = 400


def wake_ups(work):
    """How often this thread slept during ``work()``, and its result."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    result = work()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before, result


def a_millisecond(args):
    """A task of a sub-worker that takes a while."""
    time.sleep(0.001)
    return os.getpid()


@pytest.fixture
def chips(chip):
    with Worker(chips=2) as worker:
        yield worker, worker.register(chip["sleep_ms"]), TaskArgs(scalars=[1])


def test_a_thread_that_waits_for_a_launch_sleeps_through_the_tasks_for_which_nothing_waits(chips):
    worker, handle, args = chips

    def tasks(o):
        for _ in range(TASKS):
            o.submit_next_level(handle, args, worker=0)

    graph = worker.capture(tasks)
    worker.launch(graph).result()  # measures how long a task takes
    woken, _ = wake_ups(lambda: worker.launch(graph).result())
    assert woken < TASKS / 4


def test_a_thread_that_waits_for_a_run_sleeps_through_the_tasks_of_a_sub_worker():
    def tasks(o):
        for _ in range(TASKS):
            o.submit_sub(handle)

    with Worker(sub_workers=1) as worker:
        handle = worker.register(a_millisecond)
        worker.run(tasks)  # measures how long a task takes
        woken, _ = wake_ups(lambda: worker.run(tasks))
        assert woken < TASKS / 4


def test_sub_workers_share_out_their_tasks_while_a_thread_waits():
    def tasks(o):
        done = [o.submit_sub(handle) for _ in range(TASKS)]
        return [task.result() for task in done]

    with Worker(sub_workers=3) as worker:
        handle = worker.register(a_millisecond)
        for _ in range(3):
            assert len(set(worker.run(tasks))) == 3


def test_a_thread_that_waits_for_a_run_wakes_up_for_tasks_that_release_others_and_the_order_holds(chips):
    worker, handle, args = chips

    def tasks(o):
        task = None
        for i in range(40):
            task = o.submit_next_level(handle, args, worker=i % 2, after=[task] if task else [])
            o.submit_next_level(handle, args, worker=0)

    graph = worker.capture(tasks)
    for _ in range(3):
        worker.launch(graph).result(timeout=60)


def test_a_second_thread_gets_its_result_while_the_first_sleeps_through_a_long_run(chips):
    worker, handle, args = chips

    def long(o):
        for _ in range(TASKS):
            o.submit_next_level(handle, args, worker=0)

    def short(o):
        return o.submit_next_level(handle, args, worker=1).result()

    graph = worker.capture(long)
    worker.launch(graph).result()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: worker.launch(graph).result())
        for _ in range(20):
            threads.submit(worker.run, short).result(timeout=60)
        first.result(timeout=60)
