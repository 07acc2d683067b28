"""What only Ray does: its connection, and what is said when there is none. A folder named ray stands for a version."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from runtime.errors import PlatformUnavailable, StartError, WorkerLost
from runtime.hosting import Cluster, head
from runtime.hosting.ray_connection import one_line
from tests.hosting.conftest import cluster, command, pod, run_on
from tests.patience import patience
from tests.process_tree import descendants

_LACKING = "ModuleNotFoundError: No module named 'runtime'"


def nothing(o, args):
    return None


def sleeps(o, args):
    time.sleep(600)


def _refused(**fields):
    """Why a Worker with a node on Ray does not start: one line."""
    with pytest.raises((StartError, PlatformUnavailable)) as caught:
        pod(Cluster(kind="ray", **fields), nodes=1).init()
    text = str(caught.value)
    assert "\n" not in text
    assert "\x1b" not in text
    return text


def _ray_is(monkeypatch, folder, version):
    """Puts an empty package with the name and the version of a Ray before all others."""
    (folder / "ray").mkdir()
    (folder / "ray" / "__init__.py").touch()
    (folder / f"ray-{version}.dist-info").mkdir()
    (folder / f"ray-{version}.dist-info" / "METADATA").write_text(f"Name: ray\nVersion: {version}\n")
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def closed_port():
    """An address at which no process listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_a_ray_that_is_too_old_is_named_with_the_version_that_is_needed(monkeypatch, tmp_path):
    _ray_is(monkeypatch, tmp_path, "2.9.3")
    assert "ray 2.9.3 is too old, at least 2.40 is needed: pip install" in _refused(address="local")


def test_a_ray_that_knows_no_tokens_is_refused_instead_of_used_without(monkeypatch, tmp_path):
    _ray_is(monkeypatch, tmp_path, "2.45.0")
    token = tmp_path / "token"
    token.write_text("x" * 64)
    message = _refused(address="local", token=str(token))
    assert "ray 2.45.0 is too old, at least 2.52 is needed for tokens" in message


def test_a_head_that_does_not_answer_is_named_before_ray_waits_for_it(monkeypatch, tmp_path, closed_port):
    _ray_is(monkeypatch, tmp_path, "2.60.0")
    why = f"no Ray head answers at {closed_port}"
    start_one = "Connection refused; start a cluster with `ray start --head`, or use address=local"
    assert f"address={closed_port}: {why}: {start_one}" in _refused(address=closed_port)
    monkeypatch.setenv("RAY_ADDRESS", closed_port)
    assert f"address=auto: {why} (RAY_ADDRESS): {start_one}" in _refused(address="auto")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"token": "/no/token"}, "token=/no/token: no such file"),
        ({"tls": ("/no/cert", "/no/key", "/no/ca")}, "tls=/no/cert: no such file"),
    ],
)
def test_files_that_cannot_be_read_are_named(monkeypatch, tmp_path, fields, message):
    _ray_is(monkeypatch, tmp_path, "2.60.0")
    assert message in _refused(**fields)


def test_a_cluster_of_this_machine_alone_begins_and_ends_with_the_worker(ray_head):
    with pod(Cluster(kind="ray", address="local"), nodes=1) as worker:
        assert run_on(worker, worker.register(nothing), 0) is None


@pytest.fixture
def short_folder():
    """A folder whose name is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        yield folder


@pytest.mark.parametrize("begun", ["raylet/raylet", "ray::Actor"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_program_that_is_ended_leaves_nothing_of_its_own_cluster(ray_head, short_folder, begun, number):
    """``begun``: what the program has started when it is ended."""
    program = (
        "from runtime.hosting import Cluster\n"
        "from tests.hosting.conftest import pod\n"
        "with pod(Cluster(kind='ray', address='local'), nodes=1): input()\n"
    )
    environment = {**os.environ, "TMPDIR": short_folder}
    done = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    with done.stdin:
        while not _with(short_folder, begun):
            assert done.poll() is None
            time.sleep(0.01)
        done.send_signal(number)
        assert done.wait() == -number
    end = time.monotonic() + patience(10)
    while left := [*_with(short_folder, ""), *Path(short_folder).iterdir()]:
        assert time.monotonic() < end, left
        time.sleep(0.01)


def _with(folder, word):
    """The command lines with ``word`` of the processes in whose environment the folder is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if folder.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
    return [line for line in found if word in line]


def test_a_cluster_whose_daemon_here_has_a_folder_of_its_own_is_found(ray_head, monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(head, "_CURRENT", tmp_path / "none")
    (found,) = [one for one in head.heads_of_daemons() if one.endswith(ray_head.address[9:])]
    for heads, address, why in (
        ({found}, found, ""),
        ({"a:1", "b:2"}, "", "this machine belongs to several Ray clusters: a:1, b:2; name one of them"),
        (set(), "", "this machine belongs to no Ray cluster"),
    ):
        monkeypatch.setattr(head, "heads_of_daemons", lambda heads=heads: heads)
        assert head.head_of(Cluster(kind="ray")) == (address, why)


def test_too_few_machines_of_ray_are_counted(ray_head):
    top = pod(Cluster(kind="ray", address=ray_head.address), nodes=2)
    with pytest.raises(StartError, match=r"no machine is free: 1 machines .* 1 fit, 1 have a host") as caught:
        top._session.start(25.0)
    assert "\n" not in str(caught.value)


def test_a_token_is_used_where_it_is_given_and_no_other(ray_head, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "y" * 64)
    token = tmp_path / "token"
    token.write_text("x" * 64)
    with pod(Cluster(kind="ray", address="local", token=str(token)), nodes=1) as worker:
        assert run_on(worker, worker.register(nothing), 0) is None


def test_an_actor_that_is_killed_is_lost_and_replaced_and_the_reason_is_one_line(ray_head, capfd):
    with pod(cluster("ray"), nodes=1) as worker:
        slow, quick = worker.register(sleeps), worker.register(nothing)
        run = worker.submit(lambda o: o.submit_next_level(slow, worker=0))
        (actor,) = (pid for pid in descendants(ray_head.process.pid) if b"ray::Actor" in command(pid))
        os.kill(actor, signal.SIGKILL)
        with pytest.raises(WorkerLost, match="node 0 was lost: its host was lost"):
            run.result().result()
        assert run_on(worker, quick, 0) is None
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("callring: node 0: its host on")]
    assert len(said) == 1
    assert " was lost: The actor " in said[0]  # that it died, or that it is unavailable: what Ray knows first
    assert "\x1b" not in said[0]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("\x1b[36mray::Actor\x1b[39m (pid=1)\n    ^^^^^^^\nModuleNotFoundError: No module named 'runtime'", _LACKING),
        ("The actor died.\n\tclass_name: Actor\n\tactor_id: 1\nIt has ended.", "The actor died. It has ended."),
        ("Version mismatch:\n    Ray: 2.60\n    Python: 3.12.1\n", "Version mismatch: Ray: 2.60 Python: 3.12.1"),
        ("", "RuntimeError"),
    ],
)
def test_an_error_of_ray_becomes_one_line(said, line):
    assert one_line(RuntimeError(said)) == line
