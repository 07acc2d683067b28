"""Contents that were lost with their host are made again where the tasks that wrote them have ``retries``.

Hosts are lost by real signals. Each task leaves a mark for each of its attempts.
"""

import itertools
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from runtime import CallConfig, Tag, TaskArgs
from runtime.errors import TaskSkipped, WorkerLost
from tests.hosting.conftest import cluster, host_pid, kill, lose, pod

COUNT = 20_000
"""So many doubles that a tensor of them is large."""


def marking(path, work):
    """An orchestration function that does ``work`` and leaves a mark."""

    def marked(o, args):
        number = len(list(path.parent.glob(f"{path.name}-*")))
        Path(f"{path}-{number}").touch()
        work(args, number)

    return marked


def attempts(path):
    return len(list(path.parent.glob(f"{path.name}-*")))


def fill(args, _):
    args[0].numpy()[...] = args.scalars[0]


def add_one(args, _):
    args[0].numpy()[...] += 1


def copy_plus_one(args, _):
    args[1].numpy()[...] = args[0].numpy() + 1


RETRIED = CallConfig(retries=1)


def test_the_producer_of_a_lost_content_is_executed_again_on_the_next_host_of_its_node(tmp_path):
    with pod(cluster("fake"), nodes=2) as worker:
        first = worker.register(marking(tmp_path / "first", fill))
        step = worker.register(marking(tmp_path / "step", copy_plus_one))
        tensor, out = (worker.zeros(COUNT, "float64") for _ in range(2))

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[4]), RETRIED, worker=0).result()
            lose(worker, 0)
            o.submit_next_level(step, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=1)

        worker.run(loses)
        assert (out.numpy() == 5).all()
        assert (tensor.numpy() == 4).all()
        assert (attempts(tmp_path / "first"), attempts(tmp_path / "step")) == (2, 1)


@pytest.mark.parametrize("at_home", [False, True])
def test_a_host_that_needs_the_content_of_a_dead_one_is_not_lost_with_it(tmp_path, at_home):
    with pod(cluster("fake"), nodes=2) as worker:
        first = worker.register(marking(tmp_path / "first", fill))
        step = worker.register(marking(tmp_path / "step", copy_plus_one))
        tensor, out = (worker.zeros(COUNT, "float64") for _ in range(2))
        other = host_pid(worker, 1)

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[4]), RETRIED, worker=0).result()
            kill(host_pid(worker, 0))
            if at_home:
                return float(tensor.numpy()[-1])
            o.submit_next_level(step, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=1)
            return 4

        assert worker.run(loses) == 4
        assert (tensor.numpy() == 4).all()
        assert at_home or (out.numpy() == 5).all()
        assert (attempts(tmp_path / "first"), attempts(tmp_path / "step")) == (2, 0 if at_home else 1)
        assert host_pid(worker, 1) == other


def test_without_retries_the_tensor_the_machine_and_the_remedy_are_named(tmp_path):
    with pod(cluster("fake"), nodes=2) as worker:
        first = worker.register(marking(tmp_path / "first", fill))
        step = worker.register(marking(tmp_path / "step", copy_plus_one))
        tensor, out = (worker.zeros(COUNT, "float64") for _ in range(2))

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[4]), worker=0).result()
            lose(worker, 0)
            failed = o.submit_next_level(step, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=1)
            after = o.submit_next_level(step, TaskArgs((out, Tag.INPUT), (tensor, Tag.OUTPUT)), worker=1)
            return failed.exception(), after.exception()

        run = worker.submit(loses)
        with pytest.raises(WorkerLost, match=r"tensor \(float64, 20000\) was on fake-\d, which was lost, and cannot"):
            run.result()
        assert "the task that wrote it has no retries" in str(run.exception())
        assert attempts(tmp_path / "step") == 0
        assert any(isinstance(error, TaskSkipped) for error in run.errors)


def test_what_is_only_needed_at_home_is_made_again_too(tmp_path):
    with pod(cluster("fake"), nodes=1) as worker:
        first = worker.register(marking(tmp_path / "first", fill))
        tensor = worker.zeros(COUNT, "float64")

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[4]), RETRIED, worker=0).result()
            lose(worker, 0)
            return float(tensor.numpy()[-1])

        assert worker.run(loses) == 4
        assert attempts(tmp_path / "first") == 2


def test_a_chain_of_lost_contents_is_made_again_from_its_beginning(tmp_path):
    with pod(cluster("fake"), nodes=2) as worker:
        first = worker.register(marking(tmp_path / "first", fill))
        step = worker.register(marking(tmp_path / "step", copy_plus_one))
        tensors = [worker.zeros(COUNT, "float64") for _ in range(4)]
        out = worker.zeros(COUNT, "float64")

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensors[0], Tag.OUTPUT), scalars=[4]), RETRIED, worker=0)
            for one, next_one in itertools.pairwise(tensors):
                last = o.submit_next_level(step, TaskArgs((one, Tag.INPUT), (next_one, Tag.OUTPUT)), RETRIED, worker=0)
            last.result()
            lose(worker, 0)
            o.submit_next_level(step, TaskArgs((tensors[-1], Tag.INPUT), (out, Tag.OUTPUT)), worker=1)

        worker.run(loses)
        assert (out.numpy() == 8).all()
        assert [float(tensor.numpy()[0]) for tensor in tensors] == [4, 5, 6, 7]
        assert (attempts(tmp_path / "first"), attempts(tmp_path / "step")) == (2, 7)


def test_a_tensor_that_is_written_over_and_over_is_made_again_from_what_is_at_home(tmp_path):
    with pod(cluster("fake"), nodes=2) as worker:
        step = worker.register(marking(tmp_path / "step", add_one))
        last = worker.register(marking(tmp_path / "last", copy_plus_one))
        tensor, out = worker.share(np.full(COUNT, 10.0)), worker.zeros(COUNT, "float64")

        def loses(o):
            for i in range(6):
                task = o.submit_next_level(step, TaskArgs((tensor, Tag.INOUT)), RETRIED, worker=i % 2)
            task.result()
            lose(worker, 1)
            o.submit_next_level(last, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=0)

        worker.run(loses)
        assert (out.numpy() == 17).all()
        assert (tensor.numpy() == 16).all()
        assert attempts(tmp_path / "step") == 12  # old contents were given up when they were written over


def test_a_chain_in_which_one_task_has_no_retries_is_named_and_not_begun_again(tmp_path):
    with pod(cluster("fake"), nodes=1) as worker:
        step = worker.register(marking(tmp_path / "step", add_one))
        tensor = worker.zeros(COUNT, "float64")

        def loses(o):
            for config in (RETRIED, None, RETRIED):
                task = o.submit_next_level(step, TaskArgs((tensor, Tag.INOUT)), config, worker=0)
            task.result()
            lose(worker, 0)

        with pytest.raises(WorkerLost, match="has no retries, or a deadline, or is at the end of a chain"):
            worker.run(loses)
        assert attempts(tmp_path / "step") == 3


def test_an_input_that_was_changed_since_is_named_and_never_used(tmp_path):
    with pod(cluster("fake"), nodes=1) as worker:
        step = worker.register(marking(tmp_path / "step", copy_plus_one))
        source, out = (worker.zeros(COUNT, "float64") for _ in range(2))

        def loses(o):
            o.submit_next_level(step, TaskArgs((source, Tag.INPUT), (out, Tag.OUTPUT)), RETRIED, worker=0).result()
            source.numpy()[7] = 1
            lose(worker, 0)

        with pytest.raises(WorkerLost, match=r"a tensor \(float64, 20000\) of this machine, has other contents now"):
            worker.run(loses)
        assert attempts(tmp_path / "step") == 1


def test_an_input_that_is_as_it_was_is_read_again(tmp_path):
    with pod(cluster("fake"), nodes=1) as worker:
        step = worker.register(marking(tmp_path / "step", copy_plus_one))
        matrix = worker.share(np.arange(400.0 * 400).reshape(400, 400))
        out = worker.zeros((200, 399), "float64")

        def loses(o):
            tile = matrix[::-2, :399]  # neither contiguous nor ascending
            o.submit_next_level(step, TaskArgs((tile, Tag.INPUT), (out, Tag.OUTPUT)), RETRIED, worker=0).result()
            lose(worker, 0)

        worker.run(loses)
        assert np.array_equal(out.numpy(), matrix.numpy()[::-2, :399] + 1)
        assert attempts(tmp_path / "step") == 2


@pytest.mark.parametrize("retries", [1, 2])
def test_every_attempt_counts_also_one_that_is_lost_with_its_host(tmp_path, retries):
    def slow_again(args, number):
        fill(args, number)
        if number == 1:
            time.sleep(600)

    with pod(cluster("fake"), nodes=2) as worker:
        first = worker.register(marking(tmp_path / "first", slow_again))
        step = worker.register(marking(tmp_path / "step", copy_plus_one))
        tensor, out = (worker.zeros(COUNT, "float64") for _ in range(2))

        def kill_at_the_second_attempt():
            while attempts(tmp_path / "first") < 2:
                time.sleep(0.01)
            os.kill(host_pid(worker, 0), signal.SIGKILL)

        killer = threading.Thread(target=kill_at_the_second_attempt)

        def loses(o):
            config = CallConfig(retries=retries)
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[4]), config, worker=0).result()
            lose(worker, 0)
            killer.start()
            o.submit_next_level(step, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=1)

        run = worker.submit(loses)
        error = run.exception()
        killer.join()
        assert attempts(tmp_path / "first") == 1 + retries
        if retries == 2:
            assert error is None
            assert (out.numpy() == 5).all()
        else:
            assert isinstance(error, WorkerLost)
            assert "has no retries left" in str(error)


def test_several_that_need_one_lost_content_wait_for_one_attempt(tmp_path):
    with pod(cluster("fake"), nodes=3) as worker:
        first = worker.register(marking(tmp_path / "first", fill))
        step = worker.register(marking(tmp_path / "step", copy_plus_one))
        tensor = worker.zeros(COUNT, "float64")
        outs = [worker.zeros(COUNT, "float64") for _ in range(6)]

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[4]), RETRIED, worker=0).result()
            lose(worker, 0)
            for i, out in enumerate(outs):
                o.submit_next_level(step, TaskArgs((tensor, Tag.INPUT), (out, Tag.OUTPUT)), worker=i % 3)

        worker.run(loses)
        assert all((out.numpy() == 5).all() for out in outs)
        assert attempts(tmp_path / "first") == 2


def test_a_producer_that_fails_the_second_time_is_named(tmp_path):
    def fails_again(args, number):
        fill(args, number)
        if number:
            raise ValueError("the disk is gone")

    with pod(cluster("fake"), nodes=1) as worker:
        first = worker.register(marking(tmp_path / "first", fails_again))
        tensor = worker.zeros(COUNT, "float64")

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[4]), RETRIED, worker=0).result()
            lose(worker, 0)

        with pytest.raises(WorkerLost, match="failed this time: ValueError: the disk is gone"):
            worker.run(loses)


def test_a_node_that_is_given_up_makes_nothing_again(tmp_path):
    with pod(cluster("fake", faults={"machines": 2}), nodes=2, max_restarts=0) as worker:
        first = worker.register(marking(tmp_path / "first", fill))
        tensor = worker.zeros(COUNT, "float64")

        def loses(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[4]), RETRIED, worker=0).result()
            lose(worker, 0)

        with pytest.raises(WorkerLost, match="node 0"):
            worker.run(loses)
