import os
import signal
import threading
import time
from pathlib import Path

import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import StartError, TaskSkipped, WorkerLost
from tests.contract.conftest import all_ready, stop, wait_until
from tests.patience import patience


def test_a_killed_sub_worker_fails_the_task_that_it_ran_and_nothing_else():
    with Worker(sub_workers=2) as worker:
        flag = worker.zeros(1, "float64")

        def victim(args):
            args[0][0] = os.getpid()
            time.sleep(60)

        def kill():
            assert wait_until(lambda: flag.numpy()[0] != 0.0)
            os.kill(int(flag.numpy()[0]), signal.SIGKILL)

        bad, good = worker.register(victim), worker.register(lambda args: args.scalars[0])
        thread = threading.Thread(target=kill)
        thread.start()

        def orchestrate(o):
            lost = o.submit_sub(bad, TaskArgs((flag, Tag.NO_DEP)))
            return lost, [o.submit_sub(good, TaskArgs(scalars=[i])) for i in range(100)]

        run = worker.submit(orchestrate)
        with pytest.raises(WorkerLost, match="SIGKILL") as caught:
            run.result()
        thread.join()
        error = caught.value
        assert (error.signal, error.exit_status, error.hashid) == (signal.SIGKILL, None, bad.hashid)
        assert "victim" in error.callable
        assert error.worker in ("sub-worker 0", "sub-worker 1")
        assert len(run.errors) == 1
        assert all_ready(worker)
        assert sorted(child.incarnation for child in worker.children) == [1, 2]
        run = worker.submit(lambda o: [o.submit_sub(good, TaskArgs(scalars=[i])) for i in range(50)])
        assert [task.result() for task in run.result()] == list(range(50))


def test_a_killed_chip_fails_its_tasks_and_poisons_their_dependents(chip):
    with Worker(chips=2) as worker:
        meet, add = worker.register(chip["meet"]), worker.register(chip["add"])
        flag, other, came = worker.zeros(1, "float64"), worker.zeros(1, "float64"), worker.zeros(2, "float64")

        def orchestrate(o):
            alone = TaskArgs((came, Tag.NO_DEP), scalars=[0, 2])
            first = o.submit_next_level(meet, alone, CallConfig(block_count=1), worker=0)
            second = o.submit_next_level(
                add, TaskArgs((other, Tag.INPUT), (other, Tag.INPUT), (flag, Tag.OUTPUT)), worker=1, after=[first]
            )
            third = o.submit_next_level(
                add, TaskArgs((flag, Tag.NO_DEP), (flag, Tag.NO_DEP), (other, Tag.NO_DEP)), worker=1
            )
            holder.extend((first, second, third))

        holder = []
        run = worker.submit(orchestrate)
        assert wait_until(lambda: came.numpy()[0] == 1)
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert run.wait(10)
        lost, skipped, fine = (task.exception() for task in holder)
        assert isinstance(lost, WorkerLost)
        assert lost.worker == "chip 0"
        assert isinstance(skipped, TaskSkipped)
        assert skipped.__cause__.worker == "chip 0"
        assert fine is None
        worker.run(lambda o: o.submit_next_level(meet, TaskArgs((came, Tag.NO_DEP), scalars=[0, 1]), worker=0) and None)


def test_a_kernel_that_crashes_names_chip_callable_hashid_and_signal(chip):
    with Worker(chips=2) as worker:
        handle = worker.register(chip["segfault"])
        with pytest.raises(WorkerLost, match=r"chip 1.*SIGSEGV.*segfault") as caught:
            worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[8]), worker=1))
        assert caught.value.signal == signal.SIGSEGV
        assert caught.value.hashid == handle.hashid
        assert all_ready(worker)
        assert [child.incarnation for child in worker.children] == [1, 2]
        assert "SIGSEGV" in worker.children[1].last_exit


@pytest.mark.parametrize("blocks", [1, 8], ids=["alone", "among others"])
@pytest.mark.parametrize(
    ("how", "number"), [(0, signal.SIGSEGV), (1, signal.SIGABRT), (2, signal.SIGILL), (3, signal.SIGKILL)]
)
def test_a_crash_names_the_kernel_and_the_block_whose_thread_the_signal_ended(chip, how, number, blocks):
    with Worker(chips=1, options=WorkerOptions(cores_per_chip=4)) as worker:
        handle = worker.register(chip["crash_in_block"])
        args = TaskArgs(scalars=[blocks - 1, how])
        with pytest.raises(WorkerLost) as caught:
            worker.run(lambda o: o.submit_next_level(handle, args, CallConfig(block_count=blocks), worker=0))
    error = caught.value
    assert error.signal == number
    if number == signal.SIGKILL:  # which no process can handle
        assert (error.kernel, error.block) == (None, None)
        assert "in its kernel" not in str(error)
    else:
        assert (error.kernel, error.block) == ("crash_in_block", blocks - 1)
        assert f"callable crash_in_block in its kernel crash_in_block, block {blocks - 1} [" in str(error)


def test_a_signal_from_another_process_is_not_taken_for_a_crash_of_the_block_at_work(chip):
    with Worker(chips=1, options=WorkerOptions(cores_per_chip=1)) as worker:
        meet, came = worker.register(chip["meet"]), worker.zeros(2, "float64")
        args = TaskArgs((came, Tag.NO_DEP), scalars=[0, 2])
        run = worker.submit(lambda o: o.submit_next_level(meet, args, CallConfig(block_count=1), worker=0) and None)
        assert wait_until(lambda: came.numpy()[0] == 1)
        os.kill(worker.children[0].pid, signal.SIGSEGV)
        with pytest.raises(WorkerLost, match="SIGSEGV") as caught:
            run.result()
    assert (caught.value.kernel, caught.value.block) == (None, None)


def test_the_error_of_a_callable_that_exits_has_its_exit_status():
    with Worker(sub_workers=2) as worker:
        handle = worker.register(lambda args: os._exit(9))
        with pytest.raises(WorkerLost, match="status 9") as caught:
            worker.run(lambda o: o.submit_sub(handle))
        assert caught.value.exit_status == 9


def test_a_killed_fork_server_is_replaced_with_its_sub_workers_and_leaves_the_chips(chip):
    with Worker(chips=1, sub_workers=2) as worker:

        def never_ends(args):
            args[0][0] = 1
            time.sleep(60)

        sleep, nap = worker.register(chip["sleep_ms"]), worker.register(never_ends)
        one, begun = worker.register(lambda args: 1), worker.zeros(1, "float64")
        parent = int(Path(f"/proc/{worker.children[1].pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        run = worker.submit(lambda o: o.submit_sub(nap, TaskArgs((begun, Tag.INOUT))) and None)
        assert wait_until(lambda: begun.numpy()[0] == 1)
        os.kill(parent, signal.SIGKILL)
        with pytest.raises(WorkerLost):
            run.result(timeout=patience(10))
        worker.run(lambda o: o.submit_next_level(sleep, TaskArgs(scalars=[0]), worker=0) and None)
        assert worker.run(lambda o: o.submit_sub(one)).result() == 1
        assert all_ready(worker)
        assert [child.incarnation for child in worker.children] == [1, 2, 2]


def test_a_stopped_child_does_not_hold_up_close(chip):
    worker = Worker(chips=2).init()
    stop(worker.children[0].pid)
    assert worker.close() == ["chip 0"]


def test_a_core_without_its_chip_child_fails_to_start_and_leaves_nothing(monkeypatch, tmp_path):
    from runtime.processes import spawning

    monkeypatch.setattr(spawning, "core_folder", lambda: tmp_path)
    with pytest.raises(StartError, match="cannot execute"):
        Worker(chips=2).init()


def test_a_child_program_that_ends_at_once_is_a_start_error(monkeypatch, tmp_path):
    from runtime.processes import spawning

    program = tmp_path / "bin" / "callring-chip"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setattr(spawning, "core_folder", lambda: tmp_path)
    with pytest.raises(StartError, match="status 7"):
        Worker(chips=1).init()
