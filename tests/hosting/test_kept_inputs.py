"""Large contents that tasks on a host only read are sent there once for each version."""

import time

import numpy as np
import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.child_side.kept_inputs import KeptInputs
from tests.hosting.conftest import cluster, hosts, lose, pod
from tests.patience import patience

MIB = 1 << 20


def total(o, args):
    args[1].numpy()[...] = args[0].numpy().sum()


def fill(o, args):
    args[0].numpy()[...] = args.scalars[0]


def add_one(o, args):
    args[0].numpy()[...] += 1


def sent(worker):
    return [host["sent_bytes"] for host in hosts(worker)]


def resident_at_last(worker):
    """Bytes that hosts keep, once they have heard of the ends of runs."""
    end = time.monotonic() + patience(10)
    while (kept := worker.stats().bytes_resident) and time.monotonic() < end:
        time.sleep(0.01)
    return kept


def test_many_tasks_that_read_one_tensor_on_a_host_have_it_sent_once(kind):
    with pod(cluster(kind), nodes=1) as worker:
        handle = worker.register(total)
        source, sums = worker.share(np.ones(MIB // 8)), worker.zeros(20, "float64")

        def reads(o):
            for i in range(20):
                o.submit_next_level(handle, TaskArgs((source, Tag.INPUT), (sums[i : i + 1], Tag.OUTPUT)), worker=0)

        worker.run(reads)
        assert (sums.numpy() == MIB // 8).all()
        if kind != "local":
            assert MIB <= worker.stats().bytes_sent < 1.1 * MIB
        assert resident_at_last(worker) == 0


def test_each_host_has_it_sent_once_and_keeps_it_until_the_run_has_ended():
    with pod(cluster("fake"), nodes=2) as worker:
        handle = worker.register(total)
        source, sums = worker.share(np.ones(MIB // 8)), worker.zeros(8, "float64")
        resident = []

        def reads(o):
            tasks = [
                o.submit_next_level(handle, TaskArgs((source, Tag.INPUT), (sums[i : i + 1], Tag.OUTPUT)), worker=i % 2)
                for i in range(8)
            ]
            for task in tasks:
                task.result()
            resident.append([host.resident_bytes for host in worker.hosts()])

        worker.run(reads)
        assert resident == [[MIB, MIB]]
        assert all(MIB <= count < 1.1 * MIB for count in sent(worker))
        assert resident_at_last(worker) == 0


def test_what_the_program_writes_between_tasks_through_an_array_it_has_kept_is_a_new_version():
    with pod(cluster("fake"), nodes=1) as worker:
        handle = worker.register(total)
        source, sums = worker.zeros(MIB // 8, "float64"), worker.zeros(6, "float64")
        array = source.numpy()

        def writes(o):
            for i in range(6):
                array[i // 2] = 1
                o.submit_next_level(
                    handle, TaskArgs((source, Tag.INPUT), (sums[i : i + 1], Tag.OUTPUT)), worker=0
                ).result()

        worker.run(writes)
        assert sums.numpy().tolist() == [1, 1, 2, 2, 3, 3]
        assert 3 * MIB <= sent(worker)[0] < 3.1 * MIB


def test_what_tasks_write_is_a_new_version_wherever_they_run():
    with pod(cluster("fake"), nodes=2) as worker:
        read, write, first = worker.register(total), worker.register(add_one), worker.register(fill)
        here = worker.register(lambda args: args[0].__iadd__(1) is None)
        source, sums = worker.zeros(MIB // 8, "float64"), worker.zeros(16, "float64")

        def mixes(o):
            def reads(*places):
                for i in places:
                    o.submit_next_level(
                        read, TaskArgs((source, Tag.INPUT), (sums[i : i + 1], Tag.OUTPUT)), worker=i % 2
                    )

            reads(0, 1, 2, 3)
            o.submit_sub(here, TaskArgs((source, Tag.INOUT)))
            reads(4, 5, 6, 7)
            o.submit_next_level(write, TaskArgs((source, Tag.INOUT)), worker=1)
            reads(8, 9, 10, 11)
            o.submit_next_level(first, TaskArgs((source, Tag.OUTPUT), scalars=[7]), worker=0)
            reads(12, 13, 14, 15)

        worker.run(mixes)
        assert (sums.numpy() / (MIB // 8)).tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [7] * 4


def test_groups_and_launched_graphs_leave_nothing_on_hosts():
    with pod(cluster("fake"), nodes=2) as worker:
        handle = worker.register(total)
        source, sums = worker.share(np.ones(MIB // 8)), worker.zeros(2, "float64")
        members = [TaskArgs((source, Tag.INPUT), (sums[i : i + 1], Tag.OUTPUT)) for i in range(2)]
        worker.run(lambda o: o.submit_next_level_group(handle, members, workers=[0, 1]))
        assert resident_at_last(worker) == 0
        graph = worker.capture(lambda o: o.submit_next_level(handle, members[0], worker=0))
        for value in (1, 2):
            source.numpy()[...] = value
            worker.launch(graph).result()
            assert sums.numpy()[0] == value * MIB // 8
        assert resident_at_last(worker) == 0


def test_the_next_host_of_a_node_has_its_inputs_sent_again():
    with pod(cluster("fake"), nodes=1) as worker:
        handle = worker.register(total)
        source, sums = worker.share(np.ones(MIB // 8)), worker.zeros(2, "float64")

        def reads(o):
            for i in range(2):
                args = TaskArgs((source, Tag.INPUT), (sums[i : i + 1], Tag.OUTPUT))
                o.submit_next_level(handle, args, worker=0).result()
                if i == 0:
                    lose(worker, 0)

        worker.run(reads)
        assert sums.numpy().tolist() == [MIB // 8] * 2
        assert 2 * MIB <= worker.stats().bytes_sent < 2.1 * MIB


def scale(o, args):
    """Needs memory of its own for as many bytes as it reads."""
    own = o.alloc(args[0].shape, "float64")
    own.numpy()[...] = args[0].numpy()
    args[1].numpy()[...] = own.numpy().sum()


def test_inputs_give_way_to_the_memory_that_tasks_need():
    top = Worker(level=4, options=WorkerOptions(start_timeout=patience(60)))
    narrow = WorkerOptions(arena_bytes=MIB, memory_limit_bytes=6 * MIB)
    top.add_worker(Worker(level=3, chips=0, sub_workers=1, options=narrow), on=cluster("fake"))
    with top as worker:
        handle = worker.register(scale)
        sources = [worker.share(np.full(MIB // 8, float(i))) for i in range(12)]
        sums = worker.zeros(48, "float64")

        def reads(o):
            for i in range(48):
                args = TaskArgs((sources[i % 12], Tag.INPUT), (sums[i : i + 1], Tag.OUTPUT))
                o.submit_next_level(handle, args, worker=0)

        worker.run(reads)
        assert sums.numpy().tolist() == [i % 12 * MIB / 8 for i in range(48)]


def test_a_task_without_memory_leaves_the_contents_of_the_next_ones_alone(tmp_path):
    def hold(o, args):
        while not (tmp_path / "go").exists():
            time.sleep(0.01)

    top = Worker(level=4, options=WorkerOptions(start_timeout=patience(60)))
    narrow = WorkerOptions(arena_bytes=MIB, memory_limit_bytes=3 * MIB)
    top.add_worker(Worker(level=3, chips=0, sub_workers=1, options=narrow), on=cluster("fake"))
    with top as worker:
        held, handle = worker.register(hold), worker.register(add_one)
        large = worker.zeros(MIB, "float64")
        tensors = [worker.share(np.full(MIB // 8, float(i))) for i in range(6)]

        def submits(o):
            o.submit_next_level(held, worker=0)
            for i, tensor in enumerate(tensors):
                if i == 2:
                    o.submit_next_level(handle, TaskArgs((large, Tag.INOUT)), worker=0)
                o.submit_next_level(handle, TaskArgs((tensor, Tag.INOUT)), worker=0)
            (tmp_path / "go").touch()

        with pytest.raises(MemoryError):
            worker.run(submits)
        assert [float(tensor.numpy()[-1]) for tensor in tensors] == [1, 2, 3, 4, 5, 6]


class _Tensor:
    def __init__(self, nbytes):
        self.nbytes = nbytes


def test_the_inputs_that_were_not_used_for_the_longest_time_are_dropped_first():
    inputs = KeptInputs(800)
    for number in range(4):
        inputs.keep((1, b"%d" % number), _Tensor(40))
    assert inputs.find((1, b"0")).nbytes == 40
    assert inputs.make_room(lambda: {(1, b"2")}) == [(1, b"1"), (1, b"3")]
    assert inputs.nbytes == 80
    assert inputs.lacks([(1, b"0"), (1, b"1"), (1, b"2")]) == [(1, b"1")]
    inputs.keep((2, b"0"), _Tensor(10))
    assert inputs.forget([1]) == 10
    assert inputs.find((1, b"0")) is None


def test_what_must_stay_is_not_asked_for_while_there_is_room():
    inputs = KeptInputs(800)
    inputs.keep((1, b"0"), _Tensor(100))
    assert inputs.make_room(lambda: pytest.fail("asked")) == []
