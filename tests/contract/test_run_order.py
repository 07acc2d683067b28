"""Runs that follow other runs: after=, which skips a run after a failed or cancelled one, and after_any=."""

import asyncio
import threading

import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import ConfigurationError, TaskSkipped, WorkerClosed, WorkerGivenUp, WorkerLost
from tests.contract.conftest import wait_until


def hold(args):
    """Waits until its cell is set."""
    import time

    while args[0][0] == 0:
        time.sleep(0.001)


def double_and_add(args):
    args[0][0] = 2 * args[0][0] + args.scalars[0]


def fail(args):
    raise LookupError("on purpose")


def die(args):
    import os

    os._exit(3)


class Bench:
    """A Worker with a gate that holds runs, and a cell that shows their order."""

    def __init__(self, worker):
        self.worker = worker
        self.gate = worker.zeros(1, "float64")
        self.cell = worker.zeros(1, "float64")
        self.hold, self.add = worker.register(hold), worker.register(double_and_add)

    def held(self, **order):
        """A run that ends when the gate opens."""
        return self.worker.submit(lambda o: o.submit_sub(self.hold, TaskArgs((self.gate, Tag.NO_DEP))), **order)

    def adding(self, number, **order):
        """A run whose only task appends a binary digit to the cell."""
        args = TaskArgs((self.cell, Tag.NO_DEP), scalars=[number])
        return self.worker.submit(lambda o: o.submit_sub(self.add, args), **order)

    def graph(self, number):
        args = TaskArgs((self.cell, Tag.INOUT), scalars=[number])
        return self.worker.capture(lambda o: [o.submit_sub(self.add, args) for _ in range(2)])

    def open(self):
        self.gate.numpy()[0] = 1

    @property
    def digits(self):
        return int(self.cell.numpy()[0])


@pytest.fixture
def bench():
    with Worker(sub_workers=3) as worker:
        yield Bench(worker)


def running(run):
    return lambda: run._engine.running(run._value._native)


def test_a_run_begins_when_the_runs_that_it_follows_have_ended(bench):
    first = bench.held()
    second = bench.held(after=[first])
    third = bench.adding(1, after=[first, second])
    free = bench.adding(1)
    free.result(30)
    assert wait_until(running(first))
    assert not second.done()
    assert not third.done()
    assert bench.digits == 1
    bench.open()
    third.result(30)
    assert (first.done(), second.done()) == (True, True)
    assert bench.digits == 0b11


def test_tasks_of_a_run_that_waits_keep_their_own_order(bench):
    first = bench.held()
    args = [TaskArgs((bench.cell, Tag.INOUT), scalars=[digit]) for digit in (1, 0, 1, 1)]
    second = bench.worker.submit(lambda o: [o.submit_sub(bench.add, each) for each in args], after=[first])
    bench.open()
    second.result(30)
    assert bench.digits == 0b1011


def test_a_run_may_follow_one_that_has_ended(bench):
    first = bench.adding(1)
    first.result(30)
    bench.adding(0, after=[first]).result(30)
    bench.adding(1, after_any=[first]).result(30)
    assert bench.digits == 0b101


@pytest.mark.parametrize("ended", [False, True], ids=["under way", "ended"])
@pytest.mark.parametrize(("how", "error"), [(fail, LookupError), (die, WorkerLost)])
def test_a_run_that_follows_a_failed_one_is_skipped_with_its_error_as_the_cause(bench, how, error, ended):
    worker = bench.worker
    failing = worker.register(how)
    gate = TaskArgs((bench.gate, Tag.NO_DEP))
    first = worker.submit(lambda o: o.submit_sub(failing, after=[o.submit_sub(bench.hold, gate)]))
    if ended:
        bench.open()
        assert first.wait(30)
    second = bench.adding(1, after=[first])
    third = bench.adding(1, after=[second])
    anyhow = bench.adding(0, after_any=[first, second, third])
    bench.open()
    for run in (second, third):
        with pytest.raises(TaskSkipped, match=f"run {first._native.id}, which it follows, failed") as caught:
            run.result(30)
        assert isinstance(caught.value.__cause__, error)
        (skipped,) = run.errors
        assert isinstance(skipped, TaskSkipped)
        assert isinstance(skipped.__cause__, error)
        with pytest.raises(TaskSkipped):
            run._value.result()
    anyhow.result(30)
    assert bench.digits == 0
    assert worker.stats().skipped == 2


def test_a_run_without_tasks_passes_on_when_and_how_the_earlier_run_ended(bench):
    failing = bench.worker.register(fail)
    first = bench.worker.submit(
        lambda o: o.submit_sub(failing, after=[o.submit_sub(bench.hold, TaskArgs((bench.gate, Tag.NO_DEP)))])
    )
    empty = bench.worker.submit(lambda o: 5, after=[first])
    third = bench.adding(1, after=[empty])
    assert not empty.done()
    bench.open()
    for run in (empty, third):
        assert isinstance(run.exception(30), TaskSkipped)
    assert bench.digits == 0


def test_a_run_that_follows_a_cancelled_one_is_skipped(bench):
    first = bench.held()
    assert wait_until(running(first))
    second = bench.adding(1, after=[first])
    third = bench.adding(1, after=[second])
    anyhow = bench.adding(1, after_any=[second])
    second.cancel()
    assert not second.done()  # it ends after the run that it follows, so that order is transitive
    assert not anyhow.done()
    bench.open()
    with pytest.raises(TaskSkipped) as caught:
        third.result(30)
    assert "its run was cancelled" in str(caught.value.__cause__)
    second.result(30)
    anyhow.result(30)
    assert bench.digits == 1
    assert bench.worker.stats().cancelled == 1


def test_launches_follow_each_other_in_a_chain(bench):
    one, zero = bench.graph(1), bench.graph(0)
    last = bench.held()
    for i in range(20):
        last = bench.worker.launch(zero if i % 2 else one, after=[last])
    bench.open()
    last.result(30)
    assert bench.digits == int("1100" * 10, 2)


def test_a_launch_that_follows_a_failed_run_is_skipped_as_a_whole(bench):
    failing = bench.worker.register(fail)
    first = bench.worker.submit(lambda o: o.submit_sub(failing))
    assert first.wait(30)
    launched = bench.worker.launch(bench.graph(1), after=[first])
    assert isinstance(launched.exception(30), TaskSkipped)
    assert len(launched.errors) == 2
    again = bench.worker.launch(bench.graph(1), after_any=[first, launched])
    again.result(30)
    assert bench.digits == 0b11


def test_a_thousand_runs_may_follow_one_another():
    with Worker(sub_workers=1, options=WorkerOptions(max_runs=2000)) as worker:
        bench = Bench(worker)
        last = bench.held()
        for i in range(1000):
            last = worker.submit(lambda o: None, after=[last]) if i % 2 else bench.adding(0, after=[last])
        bench.open()
        last.result(60)


def test_the_run_that_another_follows_must_be_of_the_same_worker(bench):
    with Worker(sub_workers=1) as other:
        foreign = other.submit(lambda o: None)
        for argument in ("after", "after_any"):
            with pytest.raises(
                ConfigurationError, match=f"{argument}: <RunHandle {foreign._native.id}> belongs to another"
            ):
                bench.worker.submit(lambda o: None, **{argument: [foreign]})
            with pytest.raises(ConfigurationError, match="belongs to another Worker"):
                bench.worker.launch(bench.graph(1), **{argument: [foreign]})
        with pytest.raises(TypeError, match=r"after takes several RunHandles.*: after=\[\.\.\.\]"):
            bench.worker.submit(lambda o: None, after=foreign)
        with pytest.raises(TypeError, match="not an int"):
            bench.worker.submit(lambda o: None, after=[5])


def test_a_close_ends_runs_that_wait_for_others():
    worker = Worker(sub_workers=1, options=WorkerOptions(close_timeout=0.2)).init()
    bench = Bench(worker)
    first = bench.held()
    runs = [first]
    for _ in range(5):
        runs.append(bench.adding(1, after=[runs[-1]]))
    assert wait_until(running(first))
    waiting = threading.Thread(target=runs[-1].wait)
    waiting.start()
    worker.close()
    waiting.join(30)
    assert not waiting.is_alive()
    assert all(run.done() for run in runs)
    with pytest.raises(WorkerClosed):
        bench.adding(1, after=[first])


def test_a_close_after_a_launch_that_was_refused_behind_a_run():
    worker = Worker(sub_workers=2, options=WorkerOptions(max_restarts=0, close_timeout=0.2)).init()
    bench = Bench(worker)
    nothing = TaskArgs()
    graph = worker.capture(lambda o: o.submit_sub_group(bench.add, [nothing, nothing]))
    deadly = worker.register(die)
    with pytest.raises(WorkerLost):
        worker.run(lambda o: o.submit_sub(deadly))
    first = bench.held()
    assert wait_until(running(first))
    with pytest.raises(WorkerGivenUp, match="only 1 sub-workers"):
        worker.launch(graph, after=[first])
    worker.close()
    assert first.done()


def test_a_run_that_waits_for_others_can_be_awaited(bench):
    async def main():
        first = bench.held()
        second = bench.adding(1, after=[first])
        waiting = asyncio.ensure_future(second._ended())
        await asyncio.sleep(0)
        bench.open()
        await waiting
        return second.done()

    assert asyncio.run(main())
