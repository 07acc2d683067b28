"""A fork server outlives its Worker, for the next one of the same process, where a new one would be the same."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from runtime import Worker, _core
from tests.contract.conftest import gone, wait_until
from tests.contract.test_fork_server import fork_server_of
from tests.patience import patience


def server_of_a_worker():
    """The fork server of a Worker that is closed again."""
    with Worker(sub_workers=1) as worker:
        return fork_server_of(worker)


def value_of(function):
    with Worker(sub_workers=1) as worker:
        handle = worker.register(function)
        return worker.run(lambda o: o.submit_sub(handle)).result(), fork_server_of(worker)


def test_the_next_worker_has_the_fork_server_of_the_one_before_and_none_of_its_children():
    with Worker(sub_workers=3) as worker:
        server, before = fork_server_of(worker), {child.pid for child in worker.children}
    assert not gone(server)
    assert all(gone(pid) for pid in before)
    with Worker(sub_workers=2) as worker:
        assert fork_server_of(worker) == server
        assert not before & {child.pid for child in worker.children}
        one = worker.register(lambda args: 1)
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert wait_until(lambda: worker.children[0].incarnation == 2 and worker.children[0].state == "ready")
        assert worker.children[0].last_signal == signal.SIGKILL
        assert worker.run(lambda o: o.submit_sub(one)).result(30) == 1


def change_the_variables(monkeypatch, _folder):
    monkeypatch.setenv("CALLRING_TEST_KEPT", "1")
    return lambda args: os.environ.get("CALLRING_TEST_KEPT") == "1"


def change_the_folder(monkeypatch, folder):
    monkeypatch.chdir(folder)
    return lambda args: os.getcwd() == str(folder)  # noqa: PTH109 - the folder may be a symbolic link


def change_the_path(monkeypatch, folder):
    monkeypatch.syspath_prepend(folder)
    return lambda args: str(folder) in sys.path


def change_a_limit(_monkeypatch, _folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = (soft - 1, hard)  # every user may lower a limit
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    return lambda args: resource.getrlimit(resource.RLIMIT_NOFILE) == limit


def change_the_umask(_monkeypatch, _folder):
    os.umask(0o027)
    return lambda args: os.umask(0) == 0o027


def change_the_processors(_monkeypatch, _folder):
    one = {min(os.sched_getaffinity(0))}
    os.sched_setaffinity(0, one)
    return lambda args: os.sched_getaffinity(0) == one


@pytest.mark.parametrize(
    "change",
    [
        change_the_variables,
        change_the_folder,
        change_the_path,
        change_a_limit,
        change_the_umask,
        change_the_processors,
    ],
)
def test_a_worker_made_after_a_change_that_children_inherit_has_children_that_inherit_it(change, monkeypatch, tmp_path):
    umask, processors, limit = os.umask(0o022), os.sched_getaffinity(0), resource.getrlimit(resource.RLIMIT_NOFILE)
    os.umask(umask)
    try:
        before = server_of_a_worker()
        inherited, server = value_of(change(monkeypatch, tmp_path))
        if change is change_the_processors and len(processors) == 1:
            pytest.skip("one processor: there is nothing to change")
        assert (inherited, server == before) == (True, False)
        assert wait_until(lambda: gone(before))
    finally:
        os.umask(umask)
        os.sched_setaffinity(0, processors)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_children_write_to_the_streams_of_the_moment_and_a_resting_fork_server_holds_none(capfd):
    def write(args):
        os.write(1, b"out")
        os.write(2, b"err")

    before = server_of_a_worker()
    ends = [os.pipe(), os.pipe()]
    saved = [os.dup(1), os.dup(2)]
    try:
        for stream, (_, entry) in enumerate(ends, 1):
            os.dup2(entry, stream)
            os.close(entry)
        _, server = value_of(write)
    finally:
        for stream, copy in enumerate(saved, 1):
            os.dup2(copy, stream)
            os.close(copy)
    assert server == before
    # The second read returns the end of the file: no process holds the other end any more.
    assert [(os.read(way, 10), os.read(way, 10)) for way, _ in ends] == [(b"out", b""), (b"err", b"")]
    for way, _ in ends:
        os.close(way)


def test_two_workers_at_once_have_two_fork_servers_of_which_one_is_kept():
    with Worker(sub_workers=1) as one, Worker(sub_workers=1) as other:
        servers = [fork_server_of(one), fork_server_of(other)]
    assert len(set(servers)) == 2
    assert sorted(gone(server) for server in servers) == [False, True]
    assert server_of_a_worker() in servers


def test_a_fork_server_that_is_killed_while_it_rests_is_reaped_and_the_next_worker_has_another():
    server = server_of_a_worker()
    os.kill(server, signal.SIGKILL)
    assert wait_until(lambda: not os.path.exists(f"/proc/{server}"))  # noqa: PTH110 - also no zombie
    assert server_of_a_worker() != server


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_kept_fork_server_that_answers_no_more_is_replaced_by_the_start_of_the_next_worker(number):
    server = server_of_a_worker()
    os.kill(server, number)  # it may be dying, or stopped, when the next Worker takes it
    value, another = value_of(lambda args: 7)
    assert value == 7
    assert another != server
    assert gone(server)


def test_a_worker_that_is_closed_by_an_exception_leaves_no_fork_server():
    with pytest.raises(KeyError), Worker(sub_workers=1) as worker:  # noqa: PT012 - the exception ends the block
        server = fork_server_of(worker)
        raise KeyError
    assert gone(server)


# A Worker's own threads make the process multi-threaded; the forked process makes one of its own.
@pytest.mark.filterwarnings("ignore:.* is multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_has_a_fork_server_of_its_own():
    server = server_of_a_worker()
    way, entry = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(entry, str(server_of_a_worker()).encode())
        _core.end_kept_fork_server(for_good=True)
        os._exit(0)
    os.close(entry)
    of_fork = int(os.read(way, 20))
    os.close(way)
    assert os.waitpid(pid, 0)[1] == 0
    assert of_fork != server
    assert wait_until(lambda: gone(of_fork))
    assert server_of_a_worker() == server


ENDS = """
import os, signal, sys
from multiprocessing import resource_tracker
from runtime import Worker
from tests.contract.test_kept_fork_server import server_of_a_worker
resource_tracker.ensure_running()  # the interpreter waits at its end until no process holds the tracker's pipe
first = server_of_a_worker()
assert server_of_a_worker() == first
print(first, flush=True)
{end}
"""


@pytest.mark.parametrize(
    ("end", "code"), [("", 0), ("os._exit(0)", 0), ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)]
)
def test_a_kept_fork_server_ends_with_its_process(end, code):
    done = subprocess.run(
        [sys.executable, "-c", ENDS.format(end=end)],
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert wait_until(lambda: gone(int(done.stdout)))
