"""A group is one task on several children: its members begin together, and it ends with the last of them."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import ConfigurationError, TaskSkipped, WorkerGivenUp, WorkerLost
from tests.contract.conftest import all_ready, wait_until
from tests.contract.meeting import hold_until_open, meet, members


def leave_when_open(args):
    hold_until_open(args)
    os._exit(1)


@pytest.fixture(scope="module")
def worker():
    with Worker(chips=4, sub_workers=4) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Replaces the check after each test: the module's worker lives on between tests."""


def test_members_run_at_the_same_time_on_distinct_sub_workers_and_give_their_results_in_order(worker):
    handle = worker.register(meet)
    for count in (1, 2, 4):
        flags = worker.zeros(4, "int64")
        results = worker.run(lambda o, f=flags, n=count: o.submit_sub_group(handle, members(f, n))).result()
        assert [mine for mine, _ in results] == list(range(count))
        assert len({pid for _, pid in results}) == count


def test_members_run_at_the_same_time_on_the_chips_that_were_named(worker, chip):
    handle = worker.register(chip["meet"])
    flags = worker.zeros(4, "float64")
    args = [TaskArgs((flags, Tag.NO_DEP), scalars=[i, 3]) for i in range(3)]
    task = worker.run(lambda o: o.submit_next_level_group(handle, args, CallConfig(block_count=1), workers=[3, 0, 2]))
    assert task.result() == [None, None, None]
    assert flags.numpy().tolist() == [1, 1, 1, 0]


def test_no_member_begins_before_every_chip_of_the_group_is_free(worker, chip):
    hold, look = worker.register(chip["hold"]), worker.register(chip["look"])
    gate, seen = worker.zeros(1, "float64"), worker.zeros(2, "float64")
    one = CallConfig(block_count=1)

    def orchestrate(o):
        busy = o.submit_next_level(hold, TaskArgs((gate, Tag.NO_DEP)), one, worker=1)
        group = o.submit_next_level_group(
            look,
            [TaskArgs((gate, Tag.NO_DEP), (seen[i : i + 1], Tag.OUTPUT)) for i in range(2)],
            one,
            workers=[0, 1],
        )
        assert not group.wait(0.05)
        gate.numpy()[0] = 1.0
        assert busy.exception() is None
        group.wait()

    worker.run(orchestrate)
    assert seen.numpy().tolist() == [1.0, 1.0]


def test_groups_that_share_children_in_any_order_never_wait_for_each_other_in_a_circle(worker, chip):
    handle, sub = worker.register(chip["meet"]), worker.register(meet)
    flags = [worker.zeros(4, "float64") for _ in range(200)]
    counters = [worker.zeros(4, "int64") for _ in range(200)]
    random = np.random.default_rng(1)

    def orchestrate(o):
        for i in range(200):
            size = int(random.integers(2, 5))
            chips = random.permutation(4)[:size].tolist()
            args = [TaskArgs((flags[i], Tag.NO_DEP), scalars=[k, size]) for k in range(size)]
            o.submit_next_level_group(handle, args, CallConfig(block_count=1), workers=chips)
            o.submit_sub_group(sub, members(counters[i], size))

    worker.run(orchestrate)
    assert all(set(flag.numpy().tolist()) <= {0.0, 1.0} for flag in flags)


def test_a_group_is_ordered_with_single_tasks_by_the_bytes_of_all_its_members(worker, chip):
    affine = worker.register(chip["affine"])
    x = worker.share(np.ones(4))
    one = CallConfig(block_count=1)

    def orchestrate(o):
        o.submit_next_level(affine, TaskArgs((x, Tag.INOUT), scalars=[3, 0]), one, worker=3)
        halves = [TaskArgs((x[i : i + 2], Tag.INOUT), scalars=[1, i]) for i in (0, 2)]
        o.submit_next_level_group(affine, halves, one, workers=[0, 1])
        o.submit_next_level(affine, TaskArgs((x, Tag.INOUT), scalars=[2, 0]), one, worker=2)

    worker.run(orchestrate)
    assert x.numpy().tolist() == [6, 6, 10, 10]


def test_after_orders_groups_too(worker):
    record = worker.zeros(3, "int64")

    def slow(args):
        time.sleep(0.05)
        args[0][args.scalars[0]] = 1

    def total(args):
        return int(args[0].sum())

    first, second = worker.register(slow), worker.register(total)

    def orchestrate(o):
        group = o.submit_sub_group(first, [TaskArgs((record, Tag.NO_DEP), scalars=[i]) for i in range(3)])
        return o.submit_sub_group(second, [TaskArgs((record, Tag.NO_DEP))] * 2, after=[group])

    assert worker.run(orchestrate).result() == [3, 3]


def test_a_member_that_fails_fails_the_group_and_the_others_run_to_their_end(worker):
    done = worker.zeros(3, "int64")

    def work(args):
        if args.scalars[0] == 1:
            raise ValueError("member 1")
        time.sleep(0.1)
        args[1][args.scalars[0]] = 1

    handle, after = worker.register(work), worker.register(lambda args: None)
    holder = []

    def orchestrate(o):
        group = o.submit_sub_group(
            handle, [TaskArgs((done[i : i + 1], Tag.INPUT), (done, Tag.NO_DEP), scalars=[i]) for i in range(3)]
        )
        holder.append(group)
        holder.append(o.submit_sub(after, TaskArgs((done, Tag.INOUT))))
        holder.append(o.submit_sub(after, after=[group]))

    run = worker.submit(orchestrate)
    assert run.wait(20)
    assert isinstance(run.exception(), ValueError)
    assert [type(error) for error in run.errors] == [ValueError, TaskSkipped, TaskSkipped]
    with pytest.raises(ValueError, match="member 1"):
        holder[0].result()
    for skipped in holder[1:]:
        with pytest.raises(TaskSkipped) as caught:
            skipped.result()
        assert str(caught.value.__cause__) == "member 1"
    assert done.numpy().tolist() == [1, 0, 1]


def test_a_group_behind_a_failed_task_is_skipped_as_a_whole(worker):
    x = worker.zeros(2, "float64")

    def fails(args):
        raise ValueError("root")

    bad, touch = worker.register(fails), worker.register(lambda args: args[0].__iadd__(1) is None)

    def orchestrate(o):
        o.submit_sub(bad, TaskArgs((x, Tag.INOUT)))
        holder.append(o.submit_sub_group(touch, [TaskArgs((x[i : i + 1], Tag.INOUT)) for i in range(2)]))

    holder = []
    run = worker.submit(orchestrate)
    assert isinstance(run.exception(), ValueError)
    assert isinstance(holder[0].exception(), TaskSkipped)
    assert x.numpy().tolist() == [0, 0]


def test_groups_that_can_never_run_are_refused_at_submit(worker, chip):
    kernel, function = worker.register(chip["affine"]), worker.register(meet)
    x = worker.zeros(4, "float64")
    whole = TaskArgs((x, Tag.INOUT), scalars=[1, 0])

    def orchestrate(o):
        with pytest.raises(ConfigurationError, match="5, but this Worker has 4 sub-workers"):
            o.submit_sub_group(function, [None] * 5)
        with pytest.raises(ConfigurationError, match="5 children, but this Worker has 4"):
            o.submit_next_level_group(kernel, [None] * 5, workers=[0, 1, 2, 3, 0])
        with pytest.raises(ConfigurationError, match="more than once"):
            o.submit_next_level_group(kernel, [None] * 2, workers=[1, 1])
        with pytest.raises(ConfigurationError, match="no such chip"):
            o.submit_next_level_group(kernel, [None] * 2, workers=[1, 9])
        with pytest.raises(ConfigurationError, match="1 arguments for 2 workers"):
            o.submit_next_level_group(kernel, [None], workers=[1, 2])
        with pytest.raises(ConfigurationError, match="at least one"):
            o.submit_sub_group(function, [])
        with pytest.raises(ConfigurationError, match="members 0 and 1 of the group write the same bytes"):
            o.submit_next_level_group(kernel, [whole, whole], workers=[0, 1])
        return "refused, and nothing happened"

    assert worker.run(orchestrate) == "refused, and nothing happened"


def test_a_waiting_group_is_not_starved_by_a_stream_of_single_tasks(worker):
    nap, group = worker.register(lambda args: time.sleep(0.001)), worker.register(meet)
    flags = worker.zeros(4, "int64")

    def orchestrate(o):
        stop = threading.Event()

        def stream():
            while not stop.is_set():
                o.submit_sub(nap).wait()

        threads = [threading.Thread(target=stream) for _ in range(6)]
        for thread in threads:
            thread.start()
        task = o.submit_sub_group(group, members(flags, 4))
        ended = task.wait(20)
        stop.set()
        for thread in threads:
            thread.join()
        return ended

    assert worker.run(orchestrate)


def test_cancel_withdraws_a_group_that_has_not_begun_as_a_whole(worker):
    hold, count = worker.register(hold_until_open), worker.register(lambda args: args[0].__iadd__(1) is None)
    gate, x = worker.zeros(1, "float64"), worker.zeros(4, "int64")

    def orchestrate(o):
        o.submit_sub(hold, TaskArgs((gate, Tag.NO_DEP)))
        return o.submit_sub_group(count, [TaskArgs((x[i : i + 1], Tag.INOUT)) for i in range(4)])

    run = worker.submit(orchestrate)
    run.cancel()
    gate.numpy()[0] = 1
    assert run.wait(20)
    assert x.numpy().tolist() == [0, 0, 0, 0]
    x.numpy()[...] = 0
    free = worker.run(lambda o: o.submit_sub_group(count, [TaskArgs((x[i : i + 1], Tag.INOUT)) for i in range(4)]))
    free.result()
    assert x.numpy().tolist() == [1, 1, 1, 1]


def test_a_killed_child_fails_its_member_and_a_group_that_waits_for_it_begins_on_its_replacement(chip):
    with Worker(chips=2) as worker:
        meet, affine = worker.register(chip["meet"]), worker.register(chip["affine"])
        came, x = worker.zeros(3, "float64"), worker.share(np.ones(2))
        one = CallConfig(block_count=1)

        def orchestrate(o):
            running = o.submit_next_level_group(
                meet, [TaskArgs((came, Tag.NO_DEP), scalars=[i, 3]) for i in range(2)], one, workers=[0, 1]
            )
            waiting = o.submit_next_level_group(
                affine,
                [TaskArgs((x[i : i + 1], Tag.INOUT), scalars=[5, i]) for i in range(2)],
                one,
                workers=[1, 0],
            )
            return running, waiting

        run = worker.submit(orchestrate)
        assert wait_until(lambda: came.numpy().tolist() == [1, 1, 0])
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert all_ready(worker)
        came.numpy()[2] = 1
        with pytest.raises(WorkerLost, match="chip 0"):
            run.result(20)
        assert len(run.errors) == 1
        assert x.numpy().tolist() == [5, 6]


def test_a_group_larger_than_the_rest_of_its_pool_fails_instead_of_waiting_for_ever():
    with Worker(sub_workers=2, options=WorkerOptions(max_restarts=0)) as worker:
        hold, leave = worker.register(hold_until_open), worker.register(leave_when_open)
        gate, way_out = worker.zeros(1, "float64"), worker.zeros(1, "float64")

        def orchestrate(o):
            o.submit_sub(hold, TaskArgs((gate, Tag.NO_DEP)))
            o.submit_sub(leave, TaskArgs((way_out, Tag.NO_DEP)))
            return o.submit_sub_group(hold, [TaskArgs((gate, Tag.NO_DEP))] * 2)

        run = worker.submit(orchestrate)
        way_out.numpy()[0] = 1  # only now, when the group has been accepted
        assert wait_until(lambda: any(child.state == "lost" for child in worker.children))
        gate.numpy()[0] = 1
        assert run.wait(20)
        assert {type(error) for error in run.errors} == {WorkerLost, WorkerGivenUp}
        with pytest.raises(WorkerGivenUp, match="only 1 sub-workers"):
            worker.run(lambda o: o.submit_sub_group(hold, [None] * 2))
