"""Tensors that a run allocates: freed when no task or reference needs them, bounded by scopes."""

import gc

import numpy as np
import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import ConfigurationError


@pytest.fixture(scope="module")
def machine():
    options = WorkerOptions(arena_bytes=1 << 20, memory_limit_bytes=1 << 20)
    with Worker(sub_workers=2, options=options) as worker:
        yield worker, worker.register(fill), worker.register(add)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Replaces the check after each test: the module's worker lives on between tests."""


def fill(args):
    args[0][...] = args.scalars[0]


def add(args):
    args[1][...] = args[0] + args.scalars[0]


def in_use(worker):
    gc.collect()
    return worker.stats().bytes_in_use


def test_memory_of_values_between_tasks_is_reused_within_one_run(machine):
    worker, fill, add = machine
    result = worker.zeros(1, "float64")

    def orchestrate(o):
        for i in range(100):  # a hundred times 128 KiB, of 1 MiB in all
            middle = o.alloc(16384, "float64")
            o.submit_sub(fill, TaskArgs((middle, Tag.OUTPUT), scalars=[i]))
            task = o.submit_sub(add, TaskArgs((middle[:1], Tag.INPUT), (result, Tag.OUTPUT), scalars=[1]))
            del middle
            if i % 4 == 3:
                task.wait()

    worker.run(orchestrate)
    assert result.numpy()[0] == 100


def test_a_tensor_lives_as_long_as_a_task_or_a_reference_needs_it(machine):
    worker, fill, add = machine
    before = in_use(worker)

    def orchestrate(o):
        first, second = o.alloc(1000, "float64"), o.alloc(1000, "float64")
        o.submit_sub(fill, TaskArgs((first, Tag.OUTPUT), scalars=[7]))
        o.submit_sub(add, TaskArgs((first, Tag.INPUT), (second, Tag.OUTPUT), scalars=[1]))
        return second

    returned = worker.run(orchestrate)
    assert before + 8000 <= in_use(worker) < before + 16000
    assert (returned.numpy() == 8).all()
    del returned
    assert in_use(worker) == before


def test_after_its_scope_a_tensor_can_neither_be_submitted_nor_read(machine):
    worker, fill, _ = machine

    def orchestrate(o):
        with o.scope():
            inner = o.alloc((4, 4), "float64")
            view = inner[1:]
            args = TaskArgs((view, Tag.OUTPUT), scalars=[1])
            o.submit_sub(fill, args).wait()
            array = inner.numpy()
        for use in (inner.numpy, lambda: view[0], lambda: view.reshape(-1), lambda: np.asarray(view)):
            with pytest.raises(ValueError, match="scope"):
                use()
        with pytest.raises(BufferError):
            memoryview(view)
        with pytest.raises(ConfigurationError, match="scope has ended"):
            o.submit_sub(fill, args)
        assert array[1:].sum() == 12
        return "bounded"

    assert worker.run(orchestrate) == "bounded"


def test_scopes_nest_and_end_with_exceptions_too(machine):
    worker, fill, _ = machine
    before = in_use(worker)

    def fails_inside_a_scope(o, kept):
        with o.scope():
            kept.append(o.alloc(10, "float64"))
            o.submit_sub(fill, TaskArgs((kept[0], Tag.OUTPUT), scalars=[1 // 0]))

    def orchestrate(o):
        with o.scope():
            outer = o.alloc(10, "float64")
            kept = []
            with pytest.raises(ZeroDivisionError):
                fails_inside_a_scope(o, kept)
            with pytest.raises(ValueError, match="scope"):
                kept[0].numpy()
            o.submit_sub(fill, TaskArgs((outer, Tag.OUTPUT), scalars=[2])).wait()
            assert outer.numpy().sum() == 20
        free = o.alloc(10, "float64")
        return free.numpy().size

    assert worker.run(orchestrate) == 10
    assert in_use(worker) == before


def test_tasks_that_were_accepted_inside_a_scope_keep_their_tensors_after_it(machine):
    worker, fill, add = machine
    result = worker.zeros(1000, "float64")

    def orchestrate(o):
        for i in range(50):
            with o.scope():
                middle = o.alloc(1000, "float64")
                o.submit_sub(fill, TaskArgs((middle, Tag.OUTPUT), scalars=[i]))
                o.submit_sub(add, TaskArgs((middle, Tag.INPUT), (result, Tag.OUTPUT), scalars=[i]))

    worker.run(orchestrate)
    assert (result.numpy() == 98).all()
