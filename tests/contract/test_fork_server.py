"""The fork server survives system calls that fail; when it dies, only its own children are lost."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime import Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import StartError, WorkerLost
from tests.contract.conftest import NATIVE, all_ready, gone, stop, wait_until
from tests.patience import patience

ROOT = NATIVE.parent


def fork_server_of(worker):
    pid = next(child.pid for child in worker.children if child.kind == "sub")
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def forks_nothing(server):
    """Whether a fork server has its control socket, and neither a child's nor a descriptor of a child's process."""
    targets = [os.path.realpath(entry) for entry in Path(f"/proc/{server}/fd").iterdir()]
    return sum("socket:" in target for target in targets) == 1 and not any("pidfd" in target for target in targets)


def run(script):
    """Runs a script in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=patience(120), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


REFUSES = r"""
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
// Fails as a fork in the kernel would, with the error number in the file "refuse"; counts the failures in "refused".
pid_t fork(void) {
    int number = 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/refuse", getenv("CALLRING_TEST_FOLDER"));
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%d", &number) != 1) { number = 0; }
        fclose(file);
    }
    if (number == 0) { return ((pid_t(*)(void))dlsym(RTLD_NEXT, "fork"))(); }
    snprintf(path, sizeof path, "%s/refused", getenv("CALLRING_TEST_FOLDER"));
    file = fopen(path, "a");
    fputc('.', file);
    fclose(file);
    errno = number;
    return -1;
}
"""


class Refusal:
    """Lets ``fork`` fail between begin() and end()."""

    def __init__(self, folder):
        self._refuse, self._refused = folder / "refuse", folder / "refused"

    def begin(self, number):
        part = self._refuse.with_suffix(".part")
        part.write_text(str(number))
        part.rename(self._refuse)

    def end(self):
        self._refuse.unlink()

    def times(self):
        return self._refused.stat().st_size if self._refused.exists() else 0


@pytest.fixture
def refusal(tmp_path, monkeypatch):
    """Preloads a ``fork`` that can fail. RLIMIT_NPROC would do the same, but has no effect for root."""
    source, library = tmp_path / "refuses.c", tmp_path / "refuses.so"
    source.write_text("#define _GNU_SOURCE\n" + REFUSES)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CALLRING_TEST_FOLDER", str(tmp_path))
    return Refusal(tmp_path)


IGNORES_DEATHS = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from runtime import Worker
from runtime.errors import WorkerLost
from tests.contract.conftest import all_ready

def die(args):
    os.kill(os.getpid(), signal.SIGKILL)

with Worker(sub_workers=2, chips=1) as worker:
    lethal, one = worker.register(die), worker.register(lambda args: 1)
    for _ in range(3):
        error = worker.submit(lambda o: o.submit_sub(lethal)).exception(30)
        assert type(error) is WorkerLost and error.signal == signal.SIGKILL, error
    assert worker.run(lambda o: o.submit_sub(one)).result() == 1
    assert all_ready(worker)
    # The fork server survived: each time, only the sub-worker that ran the task died.
    assert sum(child.incarnation for child in worker.children) == 6, worker.children
    assert worker.children[0].incarnation == 1
"""


def test_a_program_that_ignores_sigchld_keeps_its_fork_server():
    run(IGNORES_DEATHS)


SIGNALS = """
import os, signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and children inherit that
for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGCHLD})
from pathlib import Path
from runtime import Worker
from tests.contract.conftest import wait_until
from tests.contract.test_fork_server import fork_server_of

def signals_of(pid):
    lines = dict(line.split(":\\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    sets = [int(lines[name], 16) for name in ("SigIgn", "SigBlk")]
    return [{signal.Signals(number) for number in range(1, 32) if bits >> (number - 1) & 1} for bits in sets]

with Worker(sub_workers=1, chips=1) as worker:
    chip, sub = (child.pid for child in worker.children)
    ours, pythons = {signal.SIGINT, signal.SIGTTOU}, {signal.SIGPIPE, signal.SIGXFSZ}
    # A process that creates a thread blocks signals for that moment.
    assert wait_until(lambda: signals_of(chip) == [ours, set()]), signals_of(chip)
    for pid in (fork_server_of(worker), sub):
        assert wait_until(lambda: signals_of(pid) == [ours | pythons, set()]), signals_of(pid)
"""


def test_children_inherit_no_blocked_and_no_ignored_signals():
    run(SIGNALS)


@pytest.mark.not_sanitized("a sanitizer has to be the first library that is loaded", "address", "thread", "undefined")
@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_fork_that_the_system_refuses_is_tried_again_until_it_succeeds_and_disturbs_no_task(refusal, number):
    with Worker(sub_workers=2) as worker:
        one, server, other = worker.register(lambda args: 1), fork_server_of(worker), worker.children[1].pid
        refusal.begin(number)
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert wait_until(lambda: refusal.times() >= 3)
        run = worker.submit(lambda o: [o.submit_sub(one) for _ in range(50)])
        assert [task.result(30) for task in run.result(30)] == [1] * 50
        refusal.end()
        assert all_ready(worker)
        assert (fork_server_of(worker), worker.children[1].pid) == (server, other)
        assert [child.incarnation for child in worker.children] == [2, 1]


@pytest.mark.not_sanitized("a sanitizer has to be the first library that is loaded", "address", "thread", "undefined")
def test_a_fork_that_is_refused_for_long_is_named_as_the_reason_and_the_child_starts_when_it_can(refusal):
    with Worker(sub_workers=2, options=WorkerOptions(start_timeout=patience(2))) as worker:
        server, other = fork_server_of(worker), worker.children[1].pid
        refusal.begin(errno.EAGAIN)
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert wait_until(lambda: "Resource temporarily unavailable" in worker.children[0].last_exit, 30)
        assert "could not be started: the fork server cannot fork: [Errno 11]" in worker.children[0].last_exit
        refusal.end()
        assert all_ready(worker)
        assert (fork_server_of(worker), worker.children[1].pid) == (server, other)


@pytest.mark.not_sanitized("a sanitizer has to be the first library that is loaded", "address", "thread", "undefined")
def test_a_start_for_which_no_process_can_be_forked_fails_with_that_reason(refusal):
    refusal.begin(errno.EAGAIN)
    with pytest.raises(
        StartError, match=r"sub-worker 0 could not be started: the fork server cannot fork: \[Errno 11\]"
    ):
        Worker(sub_workers=1, options=WorkerOptions(start_timeout=patience(4))).init()
    assert refusal.times() >= 3


def test_a_child_that_lacks_a_descriptor_starts_when_one_is_free():
    with Worker(sub_workers=2, options=WorkerOptions(start_timeout=patience(3))) as worker:
        one, server = worker.register(lambda args: 1), fork_server_of(worker)
        # Each fork takes descriptors of the fork server for a moment, of which the last outlives the child's start.
        assert wait_until(lambda: forks_nothing(server))
        taken = {int(entry.name) for entry in Path(f"/proc/{server}/fd").iterdir()}
        free = [number for number in range(max(taken) + 3) if number not in taken]
        allowed = resource.prlimit(server, resource.RLIMIT_NOFILE)
        # Leaves room for the control socket that the fork server receives, and for no other descriptor.
        resource.prlimit(server, resource.RLIMIT_NOFILE, (free[1], allowed[1]))
        other = worker.children[1].pid
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert wait_until(lambda: "Too many open files" in worker.children[0].last_exit, 30)
        assert worker.run(lambda o: o.submit_sub(one)).result(30) == 1
        resource.prlimit(server, resource.RLIMIT_NOFILE, allowed)
        assert all_ready(worker)
        assert (fork_server_of(worker), worker.children[1].pid) == (server, other)


def test_sub_workers_die_with_their_fork_server_and_another_one_forks_the_next():
    with Worker(sub_workers=3) as worker:
        begun = worker.zeros(3, "int64")

        def nap(args):
            args[0][args.scalars[0]] = os.getpid()
            time.sleep(60)

        nap, pid = worker.register(nap), worker.register(lambda args: os.getpid())
        server, before = fork_server_of(worker), {child.pid for child in worker.children}
        run = worker.submit(
            lambda o: [o.submit_sub(nap, TaskArgs((begun, Tag.NO_DEP), scalars=[i])) for i in range(3)] and None
        )
        assert wait_until(lambda: set(begun.numpy()) == before)
        os.kill(server, signal.SIGKILL)
        assert run.wait(30)
        assert [type(error) for error in run.errors] == [WorkerLost] * 3
        assert wait_until(lambda: all(gone(pid) for pid in before))
        assert all_ready(worker)
        assert fork_server_of(worker) != server
        assert worker.run(lambda o: o.submit_sub(pid)).result() in {child.pid for child in worker.children}
        assert [child.incarnation for child in worker.children] == [2, 2, 2]


def test_a_sub_worker_that_ends_on_request_is_closed_though_the_fork_server_does_not_report_its_end():
    worker = Worker(sub_workers=1, options=WorkerOptions(close_timeout=1)).init()
    stop(fork_server_of(worker))
    assert worker.close() == ["the fork server"]
    assert worker.children[0].state == "closed"
