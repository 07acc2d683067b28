"""Workers whose nodes are hosted, and a check after every test that no process is left."""

import importlib.util
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from runtime import TaskArgs, Worker, WorkerOptions
from runtime.hosting import Cluster
from tests.patience import patience
from tests.process_tree import descendants

KINDS = ("local", "fake", "ray")


NO_RAY = "" if importlib.util.find_spec("ray") else "Ray is not installed: pip install 'callring[ray]'"
_HEADS: list["RayHead"] = []


class RayHead:
    """A Ray cluster of this machine, for all tests of a run: its start takes longer than most of them."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        options = ["--num-cpus=1", "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}"]
        program = "from ray.scripts.scripts import main; main()"
        quiet = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0", "RAY_enable_worker_prestart": "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "start", "--head", "--block", f"--port={self.address[10:]}", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **quiet},
        )
        said = []
        while "will now block" not in (said or [""])[-1]:
            said.append(self.process.stdout.readline())
            assert said[-1], "".join(said)

    def close(self):
        """Ends the cluster."""
        self.process.terminate()
        self.process.communicate()


@pytest.fixture(scope="session")
def ray_head(tmp_path_factory):
    """The cluster that ``cluster("ray")`` is. Its folder has a short name, because it has sockets."""
    if NO_RAY:
        pytest.skip(NO_RAY)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        _HEADS.append(RayHead(folder))
        yield _HEADS[0]
        _HEADS.pop().close()


@pytest.fixture(params=KINDS)
def kind(request):
    """Each engine that is installed here."""
    if request.param == "ray":
        request.getfixturevalue("ray_head")
    return request.param


@pytest.fixture(autouse=True)
def _no_process_is_left(request):
    if "kind" in request.fixturenames:
        request.getfixturevalue("kind")  # the cluster for all tests begins before this count
    if trackers := sys.modules.get("multiprocessing.resource_tracker"):
        trackers.ensure_running()  # it lives as long as this process, and the first Worker may start it
    before = descendants()
    yield
    end = time.monotonic() + patience(30)
    while left := descendants() - before - resting():
        assert time.monotonic() < end, [command(pid) for pid in left]
        time.sleep(0.05)


def resting():
    """The fork server that is kept for the next Worker, and the processes of Ray that are no hosts."""
    of_ray = descendants(_HEADS[0].process.pid) if _HEADS else set()
    hosts = {pid for pid in of_ray if b"ray::Actor" in command(pid) or b"far_process" in command(pid)}
    return (of_ray - hosts) | {pid for pid in descendants() if b"fork_server" in command(pid)}


def command(pid):
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def cluster(kind, **fields):
    """An engine of this kind, on this machine."""
    if kind == "ray":
        return Cluster(kind="ray", address=_HEADS[0].address, one_per_machine=False, **fields)
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


def kill(pid):
    """Kills a process, and waits for its end."""
    end = os.pidfd_open(pid)
    signal.pidfd_send_signal(end, signal.SIGKILL)
    select.select([end], [], [])
    os.close(end)


def lose(worker, node):
    """Kills a host, and waits until the Worker has begun to replace it, or has given its node up."""
    before = _child(worker, node).incarnation
    kill(host_pid(worker, node))
    while (child := _child(worker, node)).incarnation == before and child.state != "lost":
        time.sleep(0.01)


def _child(worker, node):
    return next(child for child in worker.children if (child.kind, child.id) == ("node", node))


def run_on(worker, handle, node, *tensors, config=None, scalars=()):
    """Runs one task on a node; returns its value."""
    return worker.run(
        lambda o: o.submit_next_level(handle, TaskArgs(*tensors, scalars=scalars), config, worker=node)
    ).result()
