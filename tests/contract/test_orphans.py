"""Processes that a child starts end with the child; a process that dies while it starts a child leaves none behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from runtime import ArgDirection, CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import TaskTimeout, WorkerLost
from runtime.toolchain import build_chip_callable
from tests.contract.conftest import all_ready, gone, source_of, wait_until

KERNEL = """
    auto *told = static_cast<volatile int64_t *>(args->tensors[0].data);
    if (block->index == 0) {
        %s
        told[0] = started;
        while (args->scalars[0] != 0) { pause(); }
        *reinterpret_cast<volatile int *>(8) = 1;
    }
    return 0;"""

STARTS = {
    "forks": "const pid_t started = fork(); if (started == 0) { for (;;) { pause(); } }",
    "forks_in_a_session": "const pid_t started = fork(); if (started == 0) { setsid(); for (;;) { pause(); } }",
    "forks_twice": """int ends[2]; if (pipe(ends) != 0) { return 1; }
        if (fork() == 0) { const pid_t own = fork(); if (own == 0) { for (;;) { pause(); } }
            if (write(ends[1], &own, sizeof own) < 0) { _exit(1); } for (;;) { pause(); } }
        pid_t started = 0; if (read(ends[0], &started, sizeof started) < 0) { return 1; }""",
    "executes": """FILE *shell = popen("sleep 1000 & echo $!", "r"); int pid = 0;
        if (fscanf(shell, "%d", &pid) != 1) { return 1; } const pid_t started = pid;""",
}


@pytest.fixture(scope="session")
def kernels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("starting")
    built = {}
    signature = [ArgDirection.OUT, ArgDirection.SCALAR]
    for name, start in STARTS.items():
        source = folder / f"{name}.cpp"
        source.write_text("#include <cstdio>\n" + source_of(name, KERNEL % start, signature))
        built[name] = build_chip_callable(source, signature=signature, platform="a2a3sim")
    return built


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("hangs", [0, 1])
def test_processes_that_a_kernel_starts_end_with_its_chip_after_a_crash_or_a_kill(kernels, name, hangs):
    with Worker(chips=1) as worker:
        handle = worker.register(kernels[name])
        told = worker.zeros(1, "int64")
        run = worker.submit(
            lambda o: o.submit_next_level(handle, TaskArgs((told, Tag.OUTPUT), scalars=[hangs]), worker=0) and None
        )
        assert wait_until(lambda: told.numpy()[0] != 0)
        if hangs:
            os.kill(worker.children[0].pid, signal.SIGKILL)
        with pytest.raises(WorkerLost):
            run.result(30)
        assert wait_until(lambda: gone(int(told.numpy()[0])))
        assert all_ready(worker)


def fork(args):
    started = os.fork()
    if started == 0:
        time.sleep(1000)
        os._exit(0)
    args[0][0] = started
    finish(args.scalars[0])


def fork_from_a_thread(args):
    import threading

    def work():
        pid = os.fork()
        if pid == 0:
            time.sleep(1000)
            os._exit(0)
        args[0][0] = pid

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not gone(int(args[0][0]))  # the thread that forked it has ended, and the process lives
    finish(args.scalars[0])


def execute(args):
    args[0][0] = subprocess.Popen(["sleep", "1000"]).pid
    finish(args.scalars[0])


def execute_in_the_background(args):
    told = subprocess.run(["sh", "-c", "sleep 1000 >/dev/null & echo $!"], stdout=subprocess.PIPE, check=True).stdout
    args[0][0] = int(told)
    finish(args.scalars[0])


def finish(how):
    if how == 0:
        os._exit(3)
    time.sleep(60)


@pytest.mark.parametrize("function", [fork, fork_from_a_thread, execute, execute_in_the_background])
@pytest.mark.parametrize("how", ["exits", "is killed", "is late"])
def test_processes_that_a_function_starts_end_with_its_sub_worker_and_with_no_other(function, how):
    with Worker(sub_workers=2, options=WorkerOptions(close_timeout=0.1)) as worker:
        handle = worker.register(function)
        told, others = worker.zeros(1, "int64"), worker.zeros(1, "int64")
        config = CallConfig(deadline=1.0) if how == "is late" else None

        def begin(cells, exits, config=None):
            args = TaskArgs((cells, Tag.OUTPUT), scalars=[0 if exits else 1])
            return worker.submit(lambda o: o.submit_sub(handle, args, config) and None)

        other = begin(others, False)
        assert wait_until(lambda: others.numpy()[0] != 0)
        [idle] = [child.pid for child in worker.children if not runs(child.pid, others)]
        run = begin(told, how == "exits", config)
        assert wait_until(lambda: told.numpy()[0] != 0)
        if how == "is killed":
            os.kill(idle, signal.SIGKILL)
        with pytest.raises(TaskTimeout if how == "is late" else WorkerLost):
            run.result(30)
        assert wait_until(lambda: gone(int(told.numpy()[0])))
        assert not gone(int(others.numpy()[0]))
        assert not other.done()
        pid = int(others.numpy()[0])
    assert wait_until(lambda: gone(pid))


def runs(pid, cells):
    """Whether the sub-worker ``pid`` started the process in ``cells``, which is then in its process group."""
    return os.getpgid(int(cells.numpy()[0])) == pid


def test_a_process_that_made_its_own_session_outlives_its_sub_worker():
    def daemon(args):
        return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid

    with Worker(sub_workers=1) as worker:
        handle = worker.register(daemon)
        pid = worker.run(lambda o: o.submit_sub(handle)).result()
    try:
        assert not gone(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_fork_that_returns_from_its_task_takes_no_part_in_its_sub_workers_work():
    def twice(args):
        return os.fork()

    with Worker(sub_workers=1) as worker:
        handle, one = worker.register(twice), worker.register(lambda args: 1)
        for _ in range(5):
            pid = worker.run(lambda o: o.submit_sub(handle)).result(30)
            assert pid != 0
            assert wait_until(lambda pid=pid: gone(pid))
            run = worker.submit(lambda o: [o.submit_sub(one) for _ in range(20)])
            assert [task.result(30) for task in run.result(30)] == [1] * 20
        assert worker.children[0].incarnation == 1


HANGS = """
import os, sys, time
if "runtime.child_side.fork_server" in sys.orig_argv[-1]:
    path = os.environ["CALLRING_TEST_PID"]
    with open(path + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".part", path)
    time.sleep(1000)
"""


def test_a_parent_that_is_killed_while_its_fork_server_starts_leaves_no_fork_server(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    told = tmp_path / "pid"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "CALLRING_TEST_PID": str(told)}
    starts = "from runtime import Worker; Worker(sub_workers=1).init()"
    with subprocess.Popen([sys.executable, "-c", starts], env=environment) as parent:
        assert wait_until(told.exists, 30)
        parent.kill()
    assert wait_until(lambda: gone(int(told.read_text())))


def test_a_child_whose_parent_ended_before_it_begins_exits_at_once():
    from runtime.processes.spawning import core_folder

    for command in (["callring-start", "1", sys.executable, "-c", "print(1)"], ["callring-chip", "1"]):
        command[0] = f"{core_folder()}/bin/{command[0]}"
        ours, theirs = os.pipe()
        done = subprocess.run(
            ["bash", "-c", f'"$@" 3<&{ours}', "bash", *command], pass_fds=[ours], capture_output=True, check=False
        )
        os.close(ours)
        os.close(theirs)
        assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
