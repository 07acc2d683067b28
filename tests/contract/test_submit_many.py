"""Many tasks that are submitted in one call behave as if each had been submitted alone."""

import numpy as np
import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import ConfigurationError

ONE = CallConfig(block_count=1)


@pytest.fixture(scope="module")
def worker():
    with Worker(chips=2, sub_workers=2, options=WorkerOptions(max_pending_tasks=64)) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Replaces the check after each test: the module's worker lives on between tests."""


@pytest.fixture(scope="module")
def double(worker):
    return worker.register(lambda args: args.scalars[0] * 2)


def numbered(count):
    return [TaskArgs(scalars=[i]) for i in range(count)]


def test_each_task_gets_its_arguments_and_gives_its_own_result(worker, double):
    run = worker.submit(lambda o: [task.result() for task in o.submit_many(double, numbered(50))])
    assert run.result() == [2 * i for i in range(50)]


def test_more_tasks_than_may_be_pending_wait_for_room(worker, double):
    run = worker.submit(lambda o: [task.result() for task in o.submit_many(double, numbered(500))])
    assert run.result() == [2 * i for i in range(500)]


def test_arguments_may_be_none_or_hold_plain_arrays_and_come_in_any_sequence(worker):
    total = worker.register(lambda args: float(args[0].sum()) if len(args) else None)
    args_list = (None, TaskArgs((np.ones(3), Tag.INPUT)), None)
    run = worker.submit(lambda o: [task.result() for task in o.submit_many(total, args_list)])
    assert run.result() == [None, 3.0, None]
    worker.unregister(total)


def test_an_empty_list_submits_no_task(worker, double):
    assert worker.run(lambda o: o.submit_many(double, [])) == []


@pytest.mark.parametrize("workers", [1, [0, 1] * 8, iter([0, 1] * 8)])
def test_tasks_go_to_the_named_chips(worker, chip, workers):
    affine = worker.register(chip["affine"])
    x = worker.zeros((16, 4), "float64")
    args_list = [TaskArgs((x[i], Tag.INOUT), scalars=[1, i]) for i in range(16)]
    worker.run(lambda o: o.submit_many(affine, args_list, ONE, workers=workers))
    assert x.numpy()[:, 0].tolist() == list(range(16))
    worker.unregister(affine)


def test_tensors_and_after_order_them_as_single_submits_are(worker, double):
    x = worker.zeros(4, "float64")
    append = worker.register(_shift_in)

    def orchestrate(o):
        first = o.submit_many(append, [TaskArgs((x, Tag.INOUT), scalars=[i]) for i in range(20)])
        last = o.submit_many(double, numbered(3), after=first)
        return [task.result() for task in last], x.numpy().tolist()

    assert worker.submit(orchestrate).result() == ([0, 2, 4], [16, 17, 18, 19])
    worker.unregister(append)


def _shift_in(args):
    args[0][:-1] = args[0][1:]
    args[0][-1] = args.scalars[0]


def test_tasks_before_refused_arguments_are_accepted(worker):
    x = worker.zeros(8, "float64")
    fill = worker.register(_fill)

    def orchestrate(o):
        with pytest.raises(TypeError, match="TaskArgs"):
            o.submit_many(fill, [TaskArgs((x[:4], Tag.OUTPUT)), 5, TaskArgs((x[4:], Tag.OUTPUT))])

    worker.run(orchestrate)
    assert x.numpy().tolist() == [1] * 4 + [0] * 4
    worker.unregister(fill)


def _fill(args):
    args[0][:] = 1


def test_an_impossible_call_is_refused_with_the_reason(worker, double):
    def orchestrate(o):
        with pytest.raises(ConfigurationError, match="3 arguments for 2 workers"):
            o.submit_many(double, numbered(3), workers=[0, 1])
        with pytest.raises(TypeError, match="takes a list of arguments"):
            o.submit_many(double, 5)
        with pytest.raises(TypeError, match="submit_many takes"):
            o.submit_many(double)
        with pytest.raises(TypeError, match="submit_many takes"):
            o.submit_many(double, numbered(1), worker=0)

    worker.run(orchestrate)
