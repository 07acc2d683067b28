"""A Worker says where its hosted nodes are, and how many bytes went there."""

import os
import signal
import time

import numpy as np
import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker
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


def fill(o, args):
    args[0].numpy()[...] = args.scalars[0]


def bytes_of(stats):
    return stats.bytes_sent, stats.bytes_received, stats.bytes_resident


def test_stats_count_the_bytes_of_all_hosts_also_of_lost_ones():
    with pod(cluster("fake")) as worker:
        first, step = worker.register(fill), worker.register(add_one)
        tensor = worker.share(np.zeros(1 << 15))
        assert bytes_of(worker.stats()) == (0, 0, 0)
        during = []

        def stays(o):
            o.submit_next_level(first, TaskArgs((tensor, Tag.OUTPUT), scalars=[3]), worker=0).result()
            during.append((worker.stats(), worker.hosts()))

        worker.run(stays)
        (stats, hosts) = during[0]
        assert stats.bytes_resident == tensor.nbytes
        assert [host.resident_bytes for host in hosts] == [tensor.nbytes, 0]
        assert 0 < stats.bytes_received < tensor.nbytes
        run_on(worker, step, 1, (tensor, Tag.INOUT))
        sent, received, _ = bytes_of(worker.stats())
        assert sent == sum(host.sent_bytes for host in worker.hosts()) >= tensor.nbytes
        assert received == sum(host.received_bytes for host in worker.hosts()) >= 2 * tensor.nbytes
        os.kill(int(worker.hosts()[0].facts["pid"]), signal.SIGKILL)
        end = time.monotonic() + patience(30)
        while worker.hosts()[0].received_bytes or worker.stats().bytes_resident:
            assert time.monotonic() < end
        assert bytes_of(worker.stats()) == (sent, received, 0)
    assert bytes_of(worker.stats()) == (0, 0, 0)


def test_stats_of_a_worker_without_hosts_count_no_bytes():
    with pod(cluster("local")) as worker:
        assert bytes_of(worker.stats()) == (0, 0, 0)
