"""Workers whose nodes are hosted, and a check after every test that no process is left."""

import importlib.util
import time
from pathlib import Path

import pytest

from runtime import TaskArgs, Worker, WorkerOptions
from runtime.hosting import Cluster
from tests.patience import patience
from tests.process_tree import descendants

KINDS = ("local", "fake", "ray")


@pytest.fixture(params=KINDS)
def kind(request):
    """Each engine that is installed here."""
    if request.param == "ray" and importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'callring[ray]'")
    return request.param


@pytest.fixture(autouse=True)
def _no_process_is_left():
    before = descendants()
    yield
    end = time.monotonic() + patience(30)
    while left := descendants() - before - resting():
        assert time.monotonic() < end, [_command(pid) for pid in left]
        time.sleep(0.05)


def resting():
    """The fork server that is kept for the next Worker."""
    return {pid for pid in descendants() if b"fork_server" in _command(pid)}


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def cluster(kind, **fields):
    """An engine of this kind, on this machine."""
    if kind == "ray":
        return Cluster(kind="ray", address="local", one_per_machine=False, **fields)
    return Cluster(kind=kind, **fields)


def pod(on, nodes=2, sub_workers=1, **options):
    """A Worker with hosted nodes of sub-workers."""
    top = Worker(level=4, sub_workers=1, options=WorkerOptions(start_timeout=patience(60), **options))
    for _ in range(nodes):
        top.add_worker(Worker(level=3, chips=0, sub_workers=sub_workers), on=on)
    return top


def hosts(worker):
    """What the hosting server knows of each host."""
    (described,) = worker._session.hosting.describe()
    return described["hosts"]


def host_pid(worker, node):
    """The process of a fake host."""
    (pid,) = (int(host["facts"]["pid"]) for host in hosts(worker) if host["node"] == node)
    return pid


def run_on(worker, handle, node, *tensors, config=None, scalars=()):
    """Runs one task on a node; returns its value."""
    return worker.run(
        lambda o: o.submit_next_level(handle, TaskArgs(*tensors, scalars=scalars), config, worker=node)
    ).result()
