"""The contract of hosted nodes, over every engine: what runs on another machine behaves as on this one."""

import time

import numpy as np
import pytest

from runtime import CallConfig, Tag, TaskArgs
from runtime.errors import ConfigurationError, TaskTimeout
from tests.hosting.conftest import cluster, pod, run_on


def scaled(o, args):
    args[1].numpy()[...] = args.scalars[0] * args[0].numpy()


def add_one(o, args):
    args[0].numpy()[...] += 1
    return int(args[0].numpy().size)


def below(args):
    args[1][...] = args[0] * 2
    return float(args[0].sum())


def raises(o, args):
    raise KeyError("no such thing")


def sleeps(o, args):
    time.sleep(args.scalars[0])


def returns_much(o, args):
    return np.arange(300_000, dtype="int64")


def writes_its_input(o, args):
    args[0].numpy()[...] = 0


def nothing(o, args):
    return None


def test_a_task_on_a_host_reads_its_inputs_and_writes_its_outputs(kind):
    with pod(cluster(kind)) as worker:
        handle = worker.register(scaled)
        source, target = worker.share(np.arange(12.0).reshape(3, 4)), worker.zeros((3, 4), "float64")
        for node in (0, 1):
            run_on(worker, handle, node, (source, Tag.INPUT), (target, Tag.OUTPUT), scalars=[node + 2])
            assert np.array_equal(target.numpy(), (node + 2) * np.arange(12.0).reshape(3, 4))


def test_a_strided_view_travels_alone_and_its_neighbours_keep_their_bytes(kind):
    with pod(cluster(kind), nodes=1) as worker:
        handle = worker.register(add_one)
        matrix = worker.zeros((6, 8), "int32")
        assert run_on(worker, handle, 0, (matrix[1:5:2, 2:8:3], Tag.INOUT)) == 4
        expected = np.zeros((6, 8), "int32")
        expected[1:5:2, 2:8:3] = 1
        assert np.array_equal(matrix.numpy(), expected)


def test_tasks_on_hosts_depend_on_each_other_by_their_tensors(kind):
    with pod(cluster(kind)) as worker:
        handle = worker.register(add_one)
        tensor = worker.zeros(1000, "int64")

        def chain(o):
            for i in range(6):
                o.submit_next_level(handle, TaskArgs((tensor, Tag.INOUT)), worker=i % 2)

        worker.run(chain)
        assert (tensor.numpy() == 6).all()


def test_a_function_on_a_host_submits_to_the_sub_workers_there(kind):
    with pod(cluster(kind)) as worker:
        leaf = worker.register(below)

        def spread(o, args):
            parts = [slice(0, 5), slice(5, 10)]
            tasks = [o.submit_sub(leaf, TaskArgs((args[0][p], Tag.INPUT), (args[1][p], Tag.OUTPUT))) for p in parts]
            return sum(task.result() for task in tasks)

        handle = worker.register(spread)
        source, target = worker.share(np.arange(10.0)), worker.zeros(10, "float64")
        assert run_on(worker, handle, 1, (source, Tag.INPUT), (target, Tag.OUTPUT)) == 45.0
        assert np.array_equal(target.numpy(), 2 * np.arange(10.0))


def test_an_exception_on_a_host_is_the_task_s_error_with_its_traceback(kind):
    with pod(cluster(kind), nodes=1) as worker:
        handle = worker.register(raises)
        with pytest.raises(KeyError, match="no such thing") as caught:
            run_on(worker, handle, 0)
        assert "in raises" in str(caught.value.__cause__)
        assert any("in node 0" in note for note in caught.value.__notes__)
        assert run_on(worker, worker.register(nothing), 0) is None


def test_a_large_value_of_a_host_arrives_whole(kind):
    with pod(cluster(kind), nodes=1) as worker:
        assert np.array_equal(run_on(worker, worker.register(returns_much), 0), np.arange(300_000))


def test_an_input_is_read_only_on_a_host(kind):
    with pod(cluster(kind), nodes=1) as worker:
        handle = worker.register(writes_its_input)
        tensor = worker.share(np.ones(4))
        with pytest.raises(ValueError, match="read-only"):
            run_on(worker, handle, 0, (tensor, Tag.INPUT))
        assert (tensor.numpy() == 1).all()


def test_a_callable_that_is_registered_and_removed_later_reaches_every_host(kind):
    with pod(cluster(kind)) as worker:
        first, second = worker.register(nothing), worker.register(add_one)
        worker.unregister(first)
        tensor = worker.zeros(3, "int8")
        assert [run_on(worker, second, node, (tensor, Tag.INOUT)) for node in (0, 1)] == [3, 3]
        assert run_on(worker, worker.register(nothing), 1) is None


def test_a_task_that_exceeds_its_deadline_ends_its_host_and_the_next_task_has_a_new_one(kind):
    with pod(cluster(kind), nodes=1) as worker:
        slow, quick = worker.register(sleeps), worker.register(nothing)
        with pytest.raises(TaskTimeout):
            run_on(worker, slow, 0, scalars=[600], config=CallConfig(deadline=0.2))
        assert run_on(worker, quick, 0) is None


def test_an_overlap_that_a_task_writes_is_refused_beyond_this_machine(kind):
    if kind == "local":
        pytest.skip("on one machine, both arguments are the same memory")
    with pod(cluster(kind), nodes=1) as worker:
        handle = worker.register(scaled)
        tensor = worker.zeros(10, "float64")
        with pytest.raises(ConfigurationError, match="arguments 0 and 1 share bytes that the task writes"):
            run_on(worker, handle, 0, (tensor[:6], Tag.INPUT), (tensor[4:], Tag.OUTPUT), scalars=[1])
        tiles = worker.share(np.arange(16.0).reshape(4, 4))
        run_on(worker, handle, 0, (tiles[:, :2], Tag.INPUT), (tiles[:, 2:], Tag.OUTPUT), scalars=[3])
        assert np.array_equal(tiles.numpy()[:, 2:], 3 * tiles.numpy()[:, :2])


def test_bfloat16_travels_as_it_is(kind):
    with pod(cluster(kind), nodes=1) as worker:
        tensor = worker.empty((4, 4), "bfloat16")
        assert run_on(worker, worker.register(_halves), 0, (tensor, Tag.INOUT)) == ("bfloat16", (4, 4))


def _halves(o, args):
    return args[0].dtype, args[0].shape


def test_the_trace_of_a_host_has_the_times_of_this_machine(kind):
    with pod(cluster(kind, lost_after=3.0), nodes=1, trace=True) as worker:
        leaf = worker.register(below)
        source, target = worker.share(np.ones(4)), worker.zeros(4, "float64")

        def one(o, args):
            o.submit_sub(leaf, TaskArgs((args[0], Tag.INPUT), (args[1], Tag.OUTPUT))).result()

        handle = worker.register(one)
        before = time.monotonic_ns()
        run_on(worker, handle, 0, (source, Tag.INPUT), (target, Tag.OUTPUT))
        after = time.monotonic_ns()
        trace = worker.trace()
        (span,) = trace.nodes[0].tasks
        bound = trace.nodes[0].clock_bound_ns
        assert before - bound <= span.submit_ns <= span.begin_ns <= span.end_ns <= after + bound
