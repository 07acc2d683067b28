"""Tasks that follow each other in one lane, when the child that runs the first of them dies."""

import os
import signal
import time

import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker
from runtime.errors import TaskSkipped, TaskTimeout, WorkerLost
from tests.contract.conftest import all_ready, wait_until


def die(args):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(args):
    """Dies when it begins for the first time; its cell counts how often it began."""
    args[0][0] += 1
    if args[0][0] == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def bump(args):
    args[0][0] += 1


def overstay(args):
    time.sleep(60)


def kinds(tasks):
    return [type(task.exception(30)) for task in tasks]


@pytest.mark.parametrize("length", [3, 4, 100])
@pytest.mark.parametrize("kind", ["chip", "sub-worker"])
def test_a_chain_whose_first_child_dies_ends_as_lost_and_skipped(kind, length, chip):
    with Worker(chips=1, sub_workers=1) as worker:
        x = worker.zeros(1, "float64")
        args = TaskArgs((x, Tag.INOUT))
        killer = worker.register(chip["crash"] if kind == "chip" else die)
        bumper = worker.register(bump)

        def orchestrate(o):
            def submit(handle):
                return o.submit_next_level(handle, args, worker=0) if kind == "chip" else o.submit_sub(handle, args)

            return [submit(killer), *(submit(killer if kind == "chip" else bumper) for _ in range(length - 1))]

        run = worker.submit(orchestrate)
        assert run.wait(30)
        assert [type(error) for error in run.errors] == [WorkerLost] + [TaskSkipped] * (length - 1)
        assert x.numpy()[0] == 0
        assert all_ready(worker)
        assert sum(child.incarnation for child in worker.children) == 3


def test_every_task_of_a_chain_that_branches_and_joins_is_skipped_once():
    with Worker(sub_workers=2) as worker:
        x = worker.zeros(8, "float64")
        killer, bumper = worker.register(die), worker.register(bump)

        def orchestrate(o):
            first = o.submit_sub(killer, TaskArgs((x, Tag.INOUT)))
            fan = [o.submit_sub(bumper, TaskArgs((x[i : i + 1], Tag.INOUT))) for i in range(8)]
            join = o.submit_sub(bumper, TaskArgs((x, Tag.INOUT)), after=fan)
            last = o.submit_sub_group(bumper, [TaskArgs((x[:1], Tag.INOUT)), TaskArgs((x[1:], Tag.INOUT))])
            return [first, *fan, join, last]

        tasks = worker.submit(orchestrate).result
        with pytest.raises(WorkerLost):
            tasks(30)
        stats = worker.stats()
        assert (stats.lost, stats.skipped, stats.pending) == (1, 10, 0)
        assert not x.numpy().any()


def test_chains_whose_children_die_at_once_do_not_affect_other_chains():
    with Worker(sub_workers=3) as worker:
        x = worker.zeros((12, 1), "float64")
        killer, bumper = worker.register(die), worker.register(bump)

        def orchestrate(o):
            for i in range(12):
                args = TaskArgs((x[i], Tag.INOUT))
                o.submit_sub(killer if i % 4 == 0 else bumper, args)
                for _ in range(4):
                    o.submit_sub(bumper, args)

        run = worker.submit(orchestrate)
        assert run.wait(30)
        assert sorted(type(error).__name__ for error in run.errors) == ["TaskSkipped"] * 12 + ["WorkerLost"] * 3
        assert x.numpy()[:, 0].tolist() == [0 if i % 4 == 0 else 5 for i in range(12)]


@pytest.mark.parametrize("kind", ["chip", "sub-worker"])
def test_a_chain_whose_first_task_may_begin_again_runs_to_its_end(kind, chip):
    with Worker(chips=1, sub_workers=1) as worker:
        x = worker.zeros(2, "float64")
        once = worker.register(chip["crash_once"] if kind == "chip" else die_once)
        add = worker.register(chip["count"] if kind == "chip" else bump)

        def orchestrate(o):
            def submit(handle, args, config=None):
                if kind == "chip":
                    return o.submit_next_level(handle, args, config, worker=0)
                return o.submit_sub(handle, args, config)

            whole = submit(once, TaskArgs((x, Tag.INOUT)), CallConfig(retries=1))
            return [submit(add, TaskArgs((x[1:], Tag.INOUT), scalars=[0])) for _ in range(20)], whole

        run = worker.submit(orchestrate)
        run.result(30)
        assert x.numpy().tolist() == [2, 20]


def test_a_launched_chain_whose_child_dies_ends_as_lost_and_skipped_each_time():
    with Worker(sub_workers=1) as worker:
        x = worker.zeros(1, "float64")
        killer, bumper = worker.register(die), worker.register(bump)
        args = TaskArgs((x, Tag.INOUT))
        graph = worker.capture(lambda o: [o.submit_sub(handle, args) for handle in (bumper, killer, *[bumper] * 5)])
        for times in range(1, 4):
            run = worker.launch(graph)
            assert run.wait(30)
            assert [type(error) for error in run.errors] == [WorkerLost] + [TaskSkipped] * 5
            assert x.numpy()[0] == times


@pytest.mark.parametrize("kind", ["chip", "sub-worker"])
def test_a_chain_behind_a_task_that_exceeds_its_deadline_is_skipped(kind, chip):
    with Worker(chips=1, sub_workers=1) as worker:
        x = worker.zeros(1, "float64")
        hurried = CallConfig(deadline=0.05)
        late, bumper = worker.register(overstay), worker.register(bump)
        sleep, affine = worker.register(chip["hold"]), worker.register(chip["affine"])

        def orchestrate(o):
            if kind == "chip":
                add = TaskArgs((x, Tag.INOUT), scalars=[1, 1])
                first = o.submit_next_level(sleep, TaskArgs((x, Tag.INOUT)), hurried, worker=0)
                return [first, *(o.submit_next_level(affine, add, hurried, worker=0) for _ in range(6))]
            args = TaskArgs((x, Tag.INOUT))
            return [o.submit_sub(late, args, hurried), *(o.submit_sub(bumper, args, hurried) for _ in range(6))]

        run = worker.submit(orchestrate)
        assert run.wait(30)
        assert [type(error) for error in run.errors] == [TaskTimeout] + [TaskSkipped] * 6
        assert x.numpy()[0] == 0


def test_a_cancelled_run_begins_nothing_again(chip):
    with Worker(chips=1) as worker:
        gate = worker.zeros(1, "float64")
        begun = worker.zeros(1, "float64")
        hold, once = worker.register(chip["hold"]), worker.register(chip["crash_once"])
        again = CallConfig(retries=5)

        def orchestrate(o):
            first = o.submit_next_level(hold, TaskArgs((gate, Tag.INOUT)), again, worker=0)
            return [
                first,
                *(o.submit_next_level(once, TaskArgs((begun, Tag.INOUT)), again, worker=0) for _ in range(5)),
            ]

        tasks = []
        run = worker.submit(lambda o: tasks.extend(orchestrate(o)))
        assert wait_until(lambda: worker._session.engine.running(tasks[0]._native))
        run.cancel()
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert run.wait(30)
        assert kinds(tasks)[0] is WorkerLost
        assert (worker.stats().cancelled, worker.stats().lost) == (5, 1)
        assert begun.numpy()[0] == 0
