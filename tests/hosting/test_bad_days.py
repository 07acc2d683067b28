"""What happens when hosts, machines and the hosting server fail. Faults are real: signals to real processes."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime import CallConfig, Tag, Worker
from runtime.errors import ConfigurationError, StartError, WorkerGivenUp, WorkerLost
from runtime.hosting import Cluster
from runtime.hosting.wire import Door, WireClosed, connected
from tests.hosting.conftest import cluster, command, host_pid, hosts, pod, run_on
from tests.process_tree import descendants


def touch_then_sleep(o, args):
    """Marks its begin in a file; the first attempt sleeps."""
    path = Path(bytes(args[0].numpy()).decode().rstrip("\0"))
    attempts = len(list(path.parent.glob(f"{path.name}*")))
    Path(f"{path}-{attempts}").touch()
    if attempts == 0:
        time.sleep(600)
    return attempts


def nothing(o, args):
    return None


def _path(worker, path):
    text = str(path).encode()
    tensor = worker.zeros(512, "uint8")
    tensor.numpy()[: len(text)] = list(text)
    return tensor, Tag.INPUT


def _kill_at_work(worker, node, path, number):
    while not list(path.parent.glob(f"{path.name}-0")):
        time.sleep(0.01)
    os.kill(host_pid(worker, node), number)


def _submitted(worker, handle, path, **config):
    from runtime import TaskArgs

    return worker.submit(
        lambda o: o.submit_next_level(handle, TaskArgs(_path(worker, path)), CallConfig(**config), worker=0)
    )


def test_a_host_that_dies_at_work_loses_its_task_and_is_replaced(tmp_path):
    with pod(cluster("fake")) as worker:
        handle, quick = worker.register(touch_then_sleep), worker.register(nothing)
        run = _submitted(worker, handle, tmp_path / "begun")
        _kill_at_work(worker, 0, tmp_path / "begun", signal.SIGKILL)
        with pytest.raises(WorkerLost, match=r"node 0 was lost: its host was lost \(exit status 70"):
            run.result().result()
        assert run_on(worker, quick, 0) is None
        assert run_on(worker, quick, 1) is None


def test_a_task_with_retries_begins_again_on_the_new_host(tmp_path):
    with pod(cluster("fake"), nodes=1) as worker:
        handle = worker.register(touch_then_sleep)
        run = _submitted(worker, handle, tmp_path / "begun", retries=1)
        _kill_at_work(worker, 0, tmp_path / "begun", signal.SIGKILL)
        assert run.result().result() == 1


def test_a_host_that_does_not_answer_is_lost_after_the_declared_time(tmp_path):
    with pod(cluster("fake", lost_after=1.0), nodes=1) as worker:
        handle, quick = worker.register(touch_then_sleep), worker.register(nothing)
        run = _submitted(worker, handle, tmp_path / "begun")
        _kill_at_work(worker, 0, tmp_path / "begun", signal.SIGSTOP)
        with pytest.raises(WorkerLost, match="its host was lost"):
            run.result().result()
        assert run_on(worker, quick, 0) is None


def test_an_idle_host_that_dies_is_replaced():
    with pod(cluster("fake"), nodes=1) as worker:
        quick = worker.register(nothing)
        assert run_on(worker, quick, 0) is None
        os.kill(host_pid(worker, 0), signal.SIGKILL)
        assert _eventually(lambda: run_on(worker, quick, 0)) is None


def _eventually(work):
    """The value of ``work``, which may meet a host that has died but whose death was not noticed yet."""
    while True:
        try:
            return work()
        except WorkerLost:
            time.sleep(0.01)


def test_without_the_hosting_server_its_nodes_are_given_up_and_the_worker_closes():
    with pod(cluster("fake"), nodes=1, max_restarts=1) as worker:
        quick = worker.register(nothing)
        (server,) = worker._session.hosting._servers.values()
        server._process.kill()
        with pytest.raises(WorkerGivenUp):
            _run_until_given_up(worker, quick)


def _run_until_given_up(worker, handle):
    while True:
        try:
            run_on(worker, handle, 0)
        except WorkerGivenUp:
            raise
        except WorkerLost:
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"facts": {"Python": "3.99"}}, r"machine fake-0: Python is 3.99 there and 3\.\d+ here"),
        ({"facts": {"layout version": "1"}}, r"layout version is 1 there and \d+ here"),
        ({"facts": {"instruction set": "arm9"}}, "instruction set is arm9 there"),
        ({"facts": {"libc": "glibc 1.0", "core": "0" * 64}}, "core is 000000000000 there .* libc is glibc 1.0 there"),
        ({"unreachable": "no route"}, "the engine at auto does not answer: no route"),
    ],
)
def test_a_host_that_differs_or_an_engine_that_is_away_is_named_before_anything_starts(faults, message):
    with pytest.raises(StartError, match=message):
        pod(cluster("fake", faults=faults), nodes=1).init()


def test_too_few_machines_are_an_error_that_counts_them():
    top = pod(cluster("fake", faults={"machines": 2}), nodes=3)
    with pytest.raises(StartError, match=r"no machine is free: 2 machines in the cluster \(fake-0, fake-1\), 2 fit"):
        top.init()


def test_conditions_on_a_machine_choose_it_or_are_named():
    with pod(cluster("fake", labels={"number": "2"}), nodes=1) as worker:
        assert [host["machine"] for host in hosts(worker)] == ["fake-2"]
    with pod(cluster("fake", machine="fake-3"), nodes=1) as worker:
        assert [host["machine"] for host in hosts(worker)] == ["fake-3"]
    with pytest.raises(StartError, match="no machine with number=9, machine elsewhere is free"):
        pod(cluster("fake", labels={"number": "9"}, machine="elsewhere"), nodes=1).init()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "mpi"}, "Cluster: kind='mpi': one of local, ray, fake"),
        ({"lost_after": 0}, "lost_after=0"),
        ({"tls": ("a", "b")}, "the files of certificate, key and authority"),
        ({"faults": {"delay": 1}}, "only for kind='fake'"),
        ({"address": ""}, "'auto', 'local' or 'host:port'"),
        ({"machine": 3}, "machine=3: a text"),
    ],
)
def test_impossible_clusters_are_refused(fields, message):
    with pytest.raises(ConfigurationError, match=message):
        Cluster(**fields)


def test_only_a_cluster_says_where_a_node_is():
    with pytest.raises(TypeError, match="on='ray': a Cluster, not a str"):
        Worker(level=4).add_worker(Worker(level=3, chips=1), on="ray")


def test_a_program_that_is_killed_leaves_no_host():
    program = (
        "import os, signal\n"
        "from tests.hosting.conftest import cluster, host_pid, pod\n"
        "worker = pod(cluster('fake'), nodes=1).init()\n"
        "print(host_pid(worker, 0), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)


def test_an_interrupt_ends_a_start_that_waits_for_hosts():
    program = (
        "from tests.hosting.conftest import cluster\n"
        "from runtime import Worker, WorkerOptions\n"
        "top = Worker(level=4, options=WorkerOptions(start_timeout=3600))\n"
        "top.add_worker(Worker(level=3, sub_workers=1), on=cluster('fake', faults={'delay': 3600}))\n"
        "top.init()\n"
    )
    done = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    while not any(b"far_process" in command(pid) for pid in descendants(done.pid)):
        assert done.poll() is None
        time.sleep(0.01)
    done.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in done.communicate()[1]
    assert done.returncode == -signal.SIGINT


def test_a_worker_that_is_dropped_without_close_leaves_no_process():
    def dropped():
        worker = pod(cluster("fake"), nodes=1).init()
        return host_pid(worker, 0)

    pid = dropped()
    gc.collect()
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)


def test_a_process_that_does_not_know_the_secret_is_not_served():
    with pod(cluster("fake"), nodes=1) as worker:
        (server,) = worker._session.hosting._servers.values()
        address, _, node = server.door(0)
        stranger = connected(Door(address, bytes(32), node))
        stranger.send(("describe",))
        with pytest.raises(WireClosed):
            stranger.receive()
        stranger.close()
        assert len(hosts(worker)) == 1


def test_a_forked_process_keeps_no_host_alive():
    program = (
        "import os, time\n"
        "from tests.hosting.conftest import cluster, host_pid, pod\n"
        "worker = pod(cluster('fake'), nodes=1).init()\n"
        "print(host_pid(worker, 0), flush=True)\n"
        "if os.fork() == 0:\n"
        "    os.close(1)\n"
        "    time.sleep(600)\n"
        "os._exit(0)\n"
    )
    done = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        pid = int(done.communicate()[0])
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)
    finally:
        os.killpg(done.pid, signal.SIGKILL)


def test_a_worker_without_hosts_imports_no_engine():
    program = (
        "import sys\n"
        "from runtime import Worker\n"
        "with Worker(level=3, chips=0, sub_workers=1): pass\n"
        "print(sorted(name for name in sys.modules if name.startswith(('ray', 'runtime.hosting'))))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
