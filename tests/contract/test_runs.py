"""Runs overlap up to a configured depth, are awaited without a thread, and are counted."""

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import BackPressureTimeout, ConfigurationError
from tests.contract.conftest import wait_until


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_open(args):
    end = time.monotonic() + 20
    while args[0][0] == 0:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_runs_overlap_up_to_the_configured_depth_and_the_error_names_the_option_to_raise():
    options = WorkerOptions(max_runs=2, submit_timeout=0.2)
    with Worker(sub_workers=1, options=options) as worker:
        handle, gate = worker.register(wait_open), worker.zeros(1, "float64")

        def begin():
            return worker.submit(lambda o: o.submit_sub(handle, TaskArgs((gate, Tag.NO_DEP))))

        runs = [begin(), begin()]
        assert worker.stats().runs == 2
        with pytest.raises(BackPressureTimeout, match=r"2 runs are under way.*WorkerOptions\.max_runs"):
            begin()
        gate.numpy()[0] = 1
        assert [run.wait(20) for run in runs] == [True, True]
        begin().result(20)
        stats = worker.stats()
        assert (stats.runs, stats.accepted, stats.done) == (0, 3, 3)
        assert stats.waits == 1


def test_a_submit_at_the_bound_of_runs_continues_when_a_run_ends():
    with Worker(sub_workers=1, options=WorkerOptions(max_runs=1)) as worker:
        nap = worker.register(lambda args: time.sleep(0.05))
        runs = [worker.submit(lambda o: o.submit_sub(nap)) for _ in range(5)]
        assert [run.done() for run in runs[:4]] == [True] * 4
        runs[4].result(20)


def test_a_submit_that_meets_a_bound_counts_one_wait():
    with Worker(sub_workers=1, options=WorkerOptions(max_pending_tasks=2)) as worker:
        handle, gate = worker.register(wait_open), worker.zeros(1, "float64")
        args = TaskArgs((gate, Tag.NO_DEP))
        submitting = threading.Thread(
            target=worker.run, args=(lambda o: [o.submit_sub(handle, args) for _ in range(3)],)
        )
        submitting.start()
        assert wait_until(lambda: worker.stats().waits > 0)
        gate.numpy()[0] = 1
        submitting.join(20)
        stats = worker.stats()
        assert (stats.waits, stats.done) == (1, 3)


def test_the_error_at_the_bound_of_pending_tasks_names_the_option_to_raise():
    with Worker(sub_workers=1, options=WorkerOptions(max_pending_tasks=4, submit_timeout=0.2)) as worker:
        handle, gate = worker.register(wait_open), worker.zeros(1, "float64")

        def orchestrate(o):
            for _ in range(4):
                o.submit_sub(handle, TaskArgs((gate, Tag.NO_DEP)))
            with pytest.raises(BackPressureTimeout, match=r"4 tasks are pending.*WorkerOptions\.max_pending_tasks"):
                o.submit_sub(handle, TaskArgs((gate, Tag.NO_DEP)))
            gate.numpy()[0] = 1

        worker.run(orchestrate)


def test_many_runs_are_awaited_at_once_without_a_thread_for_each():
    with Worker(sub_workers=2) as worker:
        handle = worker.register(lambda args: args.scalars[0])
        before, descriptors = threading.active_count(), open_descriptors()

        async def one(i):
            run = worker.submit(lambda o: o.submit_sub(handle, TaskArgs(scalars=[i])))
            task = await run
            return task.result(), threading.active_count()

        async def many():
            return await asyncio.gather(*(one(i) for i in range(50)))

        results = asyncio.run(many())
        assert [value for value, _ in results] == list(range(50))
        assert max(threads for _, threads in results) == before
        assert wait_until(lambda: open_descriptors() <= descriptors)


def test_an_awaited_run_raises_its_error_and_does_not_block_the_loop():
    with Worker(sub_workers=1) as worker:

        def fails(args):
            wait_open(args)
            raise ValueError("mine")

        handle, gate = worker.register(fails), worker.zeros(1, "float64")

        async def main():
            run = worker.submit(lambda o: o.submit_sub(handle, TaskArgs((gate, Tag.NO_DEP))))
            waiting = asyncio.ensure_future(run._ended())
            for _ in range(3):
                await asyncio.sleep(0)
            assert not waiting.done()
            gate.numpy()[0] = 1
            with pytest.raises(ValueError, match="mine"):
                await waiting

        asyncio.run(main())


def test_an_await_that_times_out_does_not_affect_the_run():
    with Worker(sub_workers=1) as worker:
        handle, gate = worker.register(wait_open), worker.zeros(1, "float64")

        async def main():
            run = worker.submit(lambda o: o.submit_sub(handle, TaskArgs((gate, Tag.NO_DEP))))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run, 0.05)
            gate.numpy()[0] = 1
            return (await run).exception()

        assert asyncio.run(main()) is None


def test_an_orchestrator_is_invalid_after_its_function_and_takes_no_tasks_of_other_runs():
    with Worker(sub_workers=1) as worker:
        one = worker.register(lambda args: 1)
        kept = []

        def first(o):
            kept.extend((o, o.submit_sub(one)))

        worker.run(first)
        with pytest.raises(ConfigurationError, match="valid while its orchestration function runs"):
            kept[0].submit_sub(one)
        with pytest.raises(ConfigurationError, match="runs are independent"):
            worker.run(lambda o: o.submit_sub(one, after=[kept[1]]))


def test_stats_account_for_every_task():
    with Worker(sub_workers=2) as worker:

        def work(args):
            if args.scalars[0] % 10 == 3:
                raise ValueError("3")
            if args.scalars[0] == 55:
                os._exit(1)
            return args.scalars[0]

        handle = worker.register(work)
        x = worker.zeros(200, "int64")

        def orchestrate(o):
            for i in range(100):
                o.submit_sub(handle, TaskArgs((x[i : i + 1], Tag.INOUT), scalars=[i]))
                o.submit_sub(handle, TaskArgs((x[i : i + 1], Tag.INOUT), scalars=[0]))

        run = worker.submit(orchestrate)
        assert run.wait(30)
        stats = worker.stats()
        assert (stats.accepted, stats.failed, stats.lost, stats.skipped, stats.pending) == (200, 10, 1, 11, 0)
        assert stats.accepted == stats.done + stats.failed + stats.lost + stats.skipped
        assert wait_until(lambda: worker.stats().restarts == 1)  # after the run: its lost task fails first
        assert worker.stats().begun_again == 0
        assert stats.bytes_in_use >= x.nbytes


def test_a_call_is_traced_according_to_its_level(chip):
    with Worker(chips=1, sub_workers=1, options=WorkerOptions(trace=True)) as worker:
        sleep = worker.register(chip["sleep_ms"])

        def orchestrate(o):
            return [
                o.submit_next_level(
                    sleep, TaskArgs(scalars=[1]), CallConfig(block_count=1, trace=level), worker=0
                )._native.id
                for level in (0, 1, 2, None)
            ]

        ids = worker.run(orchestrate)
        trace = worker.trace()
        assert {span.task for span in trace.tasks} == set(ids[1:])
        assert all(0 < span.begin_ns <= span.end_ns for span in trace.tasks)
        assert {span.task for span in trace.cores} == set(ids[2:])


def test_a_trace_level_needs_a_worker_that_traces():
    with Worker(sub_workers=1) as worker:
        handle = worker.register(lambda args: 1)
        with pytest.raises(ConfigurationError, match=r"trace=1.*WorkerOptions\(trace=True\)"):
            worker.run(lambda o: o.submit_sub(handle, None, CallConfig(trace=1)))
        assert worker.run(lambda o: o.submit_sub(handle, None, CallConfig(trace=0))).result() == 1
