"""A Worker says where its hosted nodes are, and how many bytes went there."""

import os
import signal
import time

import numpy as np
import pytest

from runtime import CallConfig, Tag, Worker
from runtime.errors import WorkerClosed
from tests.hosting.conftest import cluster, pod, run_on
from tests.patience import patience


def add_one(o, args):
    args[0].numpy()[...] += 1


def test_hosts_have_machines_facts_and_counts_of_bytes():
    with pod(cluster("fake")) as worker:
        handle = worker.register(add_one)
        tensor = worker.share(np.zeros(1 << 15))
        run_on(worker, handle, 1, (tensor, Tag.INOUT))
        first, second = worker.hosts()
        assert tensor.numpy().sum() == 1 << 15
    assert [first.node, second.node, first.engine] == [0, 1, "fake"]
    assert first.machine != second.machine
    assert int(first.facts["pid"]) != os.getpid()
    assert first.clock_bound_ns > 0
    assert second.sent_bytes >= tensor.nbytes > first.sent_bytes


def test_a_replaced_host_is_another_one():
    with pod(cluster("fake")) as worker:
        handle = worker.register(add_one)
        tensor = worker.zeros(1)
        lost = worker.hosts()[0]
        os.kill(int(lost.facts["pid"]), signal.SIGKILL)
        run_on(worker, handle, 0, (tensor, Tag.INOUT), config=CallConfig(retries=3))
        end = time.monotonic() + patience(30)
        while not (now := [host for host in worker.hosts() if host.node == 0]):
            assert time.monotonic() < end
    assert now[0].facts["pid"] != lost.facts["pid"]


def test_nodes_of_this_machine_have_no_hosts():
    with pod(cluster("local")) as worker:
        assert worker.hosts() == []


def test_a_worker_that_was_not_started_has_no_hosts_to_name():
    with pytest.raises(WorkerClosed, match="was not started"):
        Worker(level=4).hosts()
