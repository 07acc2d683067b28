"""Large contents stay on the hosts that made them until they are needed elsewhere."""

import os
import signal
import time

import numpy as np
import pytest

from runtime import Tag, TaskArgs
from runtime.errors import ConfigurationError, WorkerLost
from tests.hosting.conftest import cluster, host_pid, hosts, pod
from tests.patience import patience

COUNT = 100_000
"""So many doubles that a tensor of them is large."""


def fill(o, args):
    args[0].numpy()[...] = args.scalars[0]


def add_one(o, args):
    args[0].numpy()[...] += 1


def copy_plus_one(o, args):
    args[1].numpy()[...] = args[0].numpy() + 1


def total(args):
    return float(args[0].sum())


def double(args):
    args[0][...] *= 2


def received(worker):
    return sum(host["received_bytes"] for host in hosts(worker))


def kept_at_last(worker):
    """How many contents hosts keep, once they have heard of the ends of runs."""
    end = time.monotonic() + patience(10)
    while (kept := sum(host["kept"] for host in hosts(worker))) and time.monotonic() < end:
        time.sleep(0.01)
    return kept


def test_a_chain_over_hosts_passes_this_machine_only_at_its_end():
    with pod(cluster("fake"), nodes=2) as worker:
        step, first = worker.register(copy_plus_one), worker.register(fill)
        result = worker.zeros(COUNT, "float64")

        def chain(o):
            with o.scope():
                last = o.alloc(COUNT, "float64")
                o.submit_next_level(first, TaskArgs((last, Tag.OUTPUT), scalars=[5]), worker=0)
                for i in range(5):
                    following = o.alloc(COUNT, "float64")
                    o.submit_next_level(step, TaskArgs((last, Tag.INPUT), (following, Tag.OUTPUT)), worker=i % 2)
                    last = following
                o.submit_next_level(step, TaskArgs((last, Tag.INPUT), (result, Tag.OUTPUT)), worker=1)

        worker.run(chain)
        assert (result.numpy() == 11).all()
        assert result.nbytes <= received(worker) < 2 * result.nbytes
        assert not any(host["kept"] for host in hosts(worker))
        assert sum(host["sent_bytes"] for host in hosts(worker)) < result.nbytes


def test_a_tensor_is_brought_once_after_many_tasks_on_several_hosts():
    with pod(cluster("fake"), nodes=2) as worker:
        step = worker.register(add_one)
        tensor = worker.zeros(COUNT, "float64")
        worker.run(
            lambda o: (
                [o.submit_next_level(step, TaskArgs((tensor, Tag.INOUT)), worker=i % 2) for i in range(10)] and None
            )
        )
        assert (tensor.numpy() == 10).all()
        assert tensor.nbytes <= received(worker) < 2 * tensor.nbytes


def test_a_task_of_this_machine_gets_what_a_host_wrote():
    with pod(cluster("fake"), nodes=1) as worker:
        first, twice, sums = worker.register(fill), worker.register(double), worker.register(total)
        tensor = worker.zeros((10, COUNT // 10), "float64")

        def mixed(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[3]), worker=0)
            o.submit_sub(twice, TaskArgs((tensor[2:4], Tag.INOUT)))
            part = o.submit_sub(sums, TaskArgs((tensor[3], Tag.INPUT)))
            o.submit_next_level(worker_step, TaskArgs((tensor, Tag.INOUT)), worker=0)
            return part.result()

        worker_step = worker.register(add_one)
        assert worker.run(mixed) == 6 * COUNT / 10
        expected = np.full((10, COUNT // 10), 4.0)
        expected[2:4] = 7
        assert np.array_equal(tensor.numpy(), expected)


def test_another_view_of_what_a_host_wrote_is_exact_on_other_hosts():
    with pod(cluster("fake"), nodes=2) as worker:
        first, step = worker.register(fill), worker.register(copy_plus_one)
        tensor, out = worker.zeros((4, COUNT), "float64"), worker.zeros((2, COUNT), "float64")

        def views(o):
            for row in range(4):
                o.submit_next_level(first, TaskArgs((tensor[row], Tag.OUTPUT), scalars=[row]), worker=row % 2)
            o.submit_next_level(step, TaskArgs((tensor[1:3], Tag.INPUT), (out, Tag.OUTPUT)), worker=0)

        worker.run(views)
        assert tensor.numpy()[:, 0].tolist() == [0, 1, 2, 3]
        assert out.numpy()[:, -1].tolist() == [2, 3]


def test_the_orchestration_function_reads_what_a_host_wrote():
    with pod(cluster("fake"), nodes=1) as worker:
        first, step = worker.register(fill), worker.register(add_one)
        tensor = worker.zeros((2, COUNT), "float64")
        seen = []

        def reads(o):
            for row in range(2):
                o.submit_next_level(first, TaskArgs((tensor[row], Tag.OUTPUT), scalars=[row + 8]), worker=0)
            seen.append(float(tensor[1].numpy()[-1]))
            o.submit_next_level(step, TaskArgs((tensor[1], Tag.INOUT)), worker=0)
            seen.append(float(tensor.numpy().max()))
            seen.append(float(np.asarray(tensor)[0, 0]))

        worker.run(reads)
        assert seen == [9, 10, 8]


def test_a_group_gets_what_hosts_wrote_and_must_not_meet_in_memory():
    with pod(cluster("fake"), nodes=2) as worker:
        first, step = worker.register(fill), worker.register(copy_plus_one)
        source, out = worker.zeros(COUNT, "float64"), worker.zeros((2, COUNT), "float64")

        def grouped(o):
            o.submit_next_level(first, TaskArgs((source, Tag.OUTPUT), scalars=[1]), worker=1)
            members = [TaskArgs((source, Tag.INPUT), (out[i], Tag.OUTPUT)) for i in range(2)]
            o.submit_next_level_group(step, members, workers=[0, 1])

        worker.run(grouped)
        assert (out.numpy() == 2).all()
        meeting = [
            TaskArgs((out[0], Tag.INPUT), (out[1], Tag.OUTPUT)),
            TaskArgs((source, Tag.INOUT), (out[0], Tag.OUTPUT)),
        ]
        with pytest.raises(ConfigurationError, match="members 1 and 0 of the group meet in memory"):
            worker.run(lambda o: o.submit_next_level_group(step, meeting, workers=[0, 1]))


def test_a_content_that_was_lost_with_its_host_is_named():
    with pod(cluster("fake"), nodes=2) as worker:
        first, step = worker.register(fill), worker.register(copy_plus_one)
        tensor, out = worker.zeros(COUNT, "float64"), worker.zeros(COUNT, "float64")

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[1]), worker=0).result()
            os.kill(host_pid(worker, 0), signal.SIGKILL)
            while any(host["node"] == 0 and host["kept"] for host in hosts(worker)):
                time.sleep(0.01)
            o.submit_next_level(step, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=1).result()

        with pytest.raises(
            WorkerLost, match=r"the content of a tensor \(float64, 100000\) was on fake-\d, which was lost"
        ):
            worker.run(loses)


def test_many_submitted_at_once_and_small_tensors_behave_alike():
    with pod(cluster("fake"), nodes=2) as worker:
        step = worker.register(add_one)
        rows, cells = worker.zeros((6, COUNT), "float64"), worker.zeros(64, "float64")

        def many(o):
            o.submit_many(step, [TaskArgs((rows[i], Tag.INOUT)) for i in range(6)], workers=[0, 1] * 3)
            o.submit_many(step, [TaskArgs((cells[i : i + 1], Tag.INOUT)) for i in range(64)], workers=0)

        for _ in range(2):
            worker.run(many)
        assert (rows.numpy() == 2).all()
        assert (cells.numpy() == 2).all()


def test_interleaved_tiles_of_one_matrix_keep_their_contents_whatever_host_wrote_them():
    with pod(cluster("fake"), nodes=2) as worker:
        first = worker.register(fill)
        matrix = worker.zeros((400, 400), "float64")
        columns = [matrix[:, place : place + 100] for place in range(0, 400, 100)]

        def tiles(o):
            for number, tile in enumerate(columns):
                o.submit_next_level(first, TaskArgs((tile, Tag.OUTPUT), scalars=[number + 1]), worker=number % 2)

        for _ in range(20):
            matrix.numpy()[...] = 0
            worker.run(tiles)
            assert matrix.numpy()[0].tolist() == [1.0] * 100 + [2.0] * 100 + [3.0] * 100 + [4.0] * 100


def test_a_cancelled_run_whose_task_is_at_work_leaves_nothing_on_its_host():
    with pod(cluster("fake"), nodes=2) as worker:
        first, step = worker.register(fill), worker.register(copy_plus_one)
        tensor, out = worker.zeros(COUNT, "float64"), worker.zeros(COUNT, "float64")

        def submits(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[7]), worker=0).result()
            for _ in range(100):
                o.submit_next_level(step, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=1)

        run = worker.submit(submits)
        run.cancel()
        run.wait()
        assert kept_at_last(worker) == 0


def test_what_an_earlier_failed_run_left_on_a_host_is_not_taken_for_newer_contents():
    with pod(cluster("fake"), nodes=1) as worker:
        first, step = worker.register(fill), worker.register(copy_plus_one)
        tensor, out = worker.zeros(COUNT, "float64"), worker.zeros(COUNT, "float64")

        def fails(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[7]), worker=0).result()
            raise KeyError("the program fails")

        with pytest.raises(KeyError):
            worker.run(fails)
        assert kept_at_last(worker) == 0
        tensor.numpy()[...] = 1
        worker.run(lambda o: o.submit_next_level(step, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=0))
        assert (out.numpy() == 2).all()


def test_contents_are_found_whatever_order_hosts_met_the_memory_in():
    with pod(cluster("fake"), nodes=2, arena_bytes=1 << 20) as worker:
        first, step = worker.register(fill), worker.register(copy_plus_one)
        tensors = [worker.zeros(COUNT, "float64") for _ in range(4)]  # each in an arena of its own

        def crosses(o):
            o.submit_next_level(first, TaskArgs((tensors[1], Tag.OUTPUT), scalars=[5]), worker=0)
            o.submit_next_level(first, TaskArgs((tensors[0], Tag.OUTPUT), scalars=[6]), worker=1)
            o.submit_next_level(step, TaskArgs((tensors[1], Tag.INPUT), (tensors[2], Tag.OUTPUT)), worker=1)
            o.submit_next_level(step, TaskArgs((tensors[0], Tag.INPUT), (tensors[3], Tag.OUTPUT)), worker=0)

        worker.run(crosses)
        assert [float(tensor.numpy()[-1]) for tensor in tensors] == [6, 5, 6, 7]
