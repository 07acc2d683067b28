"""Many small tasks for one host travel together, and each has its own outcome."""

import numpy as np
import pytest

from runtime import Tag, TaskArgs
from runtime.errors import ConfigurationError, TaskSkipped
from tests.hosting.conftest import cluster, pod

MANY = 600


def odd_fails(o, args):
    number = args.scalars[0]
    if number % 2:
        raise ValueError(f"{number} is odd")
    args[0].numpy()[...] = number
    return number


def add_one(o, args):
    args[0].numpy()[...] += 1


def gather(o, args):
    args[1].numpy()[...] = args[0].numpy().sum()


def test_each_task_of_a_batch_has_its_own_outcome():
    with pod(cluster("fake"), nodes=2) as worker:
        handle = worker.register(odd_fails)
        cells = worker.zeros(MANY, "int64")

        def submit(o):
            return [
                o.submit_next_level(handle, TaskArgs((cells[i : i + 1], Tag.OUTPUT), scalars=[i]), worker=i % 2)
                for i in range(MANY)
            ]

        run = worker.submit(submit)
        with pytest.raises(ValueError, match="is odd"):
            run.result()
        assert cells.numpy()[::2].tolist() == list(range(0, MANY, 2))
        assert not cells.numpy()[1::2].any()


def test_tasks_of_one_host_that_depend_on_each_other_are_not_in_one_batch():
    with pod(cluster("fake"), nodes=1) as worker:
        step, collect = worker.register(add_one), worker.register(gather)
        cells, total = worker.zeros(8, "int64"), worker.zeros(1, "int64")

        def submit(o):
            for i in range(200):
                o.submit_next_level(step, TaskArgs((cells[i % 8 : i % 8 + 1], Tag.INOUT)), worker=0)
            o.submit_next_level(collect, TaskArgs((cells, Tag.INPUT), (total, Tag.OUTPUT)), worker=0)

        worker.run(submit)
        assert cells.numpy().tolist() == [25] * 8
        assert total.numpy().tolist() == [200]


def test_what_follows_a_failed_task_on_its_host_is_skipped():
    with pod(cluster("fake"), nodes=1) as worker:
        handle, step = worker.register(odd_fails), worker.register(add_one)
        cell = worker.zeros(1, "int64")
        caught = {}

        def submit(o):
            first = o.submit_next_level(handle, TaskArgs((cell, Tag.OUTPUT), scalars=[1]), worker=0)
            second = o.submit_next_level(step, TaskArgs((cell, Tag.INOUT)), worker=0)
            for name, task in (("first", first), ("second", second)):
                with pytest.raises((ValueError, TaskSkipped)) as raised:
                    task.result()
                caught[name] = raised.type

        with pytest.raises(ValueError, match="1 is odd"):
            worker.run(submit)
        assert caught == {"first": ValueError, "second": TaskSkipped}


def test_a_task_of_a_batch_whose_arguments_are_refused_fails_alone():
    with pod(cluster("fake"), nodes=1) as worker:
        step, collect = worker.register(add_one), worker.register(gather)
        cells = worker.zeros(100, "int64")
        caught = []

        def submit(o):
            tasks = [o.submit_next_level(step, TaskArgs((cells[i : i + 1], Tag.INOUT)), worker=0) for i in range(90)]
            wrong = TaskArgs((cells[90:99], Tag.INPUT), (cells[98:99], Tag.OUTPUT))
            refused = o.submit_next_level(collect, wrong, worker=0)
            with pytest.raises(ConfigurationError, match="share bytes") as raised:
                refused.result()
            caught.append(raised.type)
            for task in tasks:
                task.result()

        with pytest.raises(ConfigurationError):
            worker.run(submit)
        assert caught == [ConfigurationError]
        assert cells.numpy()[:90].tolist() == [1] * 90


def test_large_and_small_tensors_travel_in_one_task():
    with pod(cluster("fake"), nodes=1) as worker:
        handle = worker.register(gather)
        for count in (10, 100_000):
            source, total = worker.share(np.ones(count)), worker.zeros(3, "float64")
            worker.run(
                lambda o, s=source, t=total: o.submit_next_level(
                    handle, TaskArgs((s, Tag.INPUT), (t, Tag.OUTPUT)), worker=0
                )
            )
            assert total.numpy().tolist() == [count] * 3
