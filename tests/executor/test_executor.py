"""What runtime.Executor guarantees beyond the contract of concurrent.futures, which CPython's own tests check."""

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import Executor, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import ConfigurationError, InitializerError, TaskTimeout, WorkerClosed, WorkerGivenUp, WorkerLost
from tests.contract.conftest import wait_until
from tests.executor import functions
from tests.patience import patience


@pytest.fixture(scope="module")
def worker():
    """One Worker for all tests of this module, which do not change it."""
    with Worker(sub_workers=2) as shared:
        yield shared


# ---- arguments and results -------------------------------------------------------------------------------------------


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=2000),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@settings(max_examples=60)
@given(value=values)
def test_any_value_is_returned_equal(worker, value):
    with Executor(worker) as executor:
        assert executor.submit(functions.keep, value).result() == value


def test_arguments_and_results_may_be_larger_than_any_frame(executor):
    large = np.arange(3_000_000)
    assert (executor.submit(functions.keep, large).result() == large).all()


def test_arguments_go_by_position_and_by_name(executor):
    assert executor.submit(divmod, 7, 2).result() == (3, 1)
    assert executor.submit(dict, a=1, self=2, fn=3).result() == {"a": 1, "self": 2, "fn": 3}


def test_lambdas_closures_and_local_classes_go_by_value_as_they_are_at_the_submit(executor):
    class Point:
        def __init__(self, x):
            self.x = x

        def moved(self, by):
            return Point(self.x + by)

    step = 1
    adder = lambda x: x + step  # noqa: E731
    first = executor.submit(adder, 1)
    step = 10
    assert (first.result(), executor.submit(adder, 1).result()) == (2, 11)
    point = Point(3)
    moved = executor.submit(point.moved, 4)
    point.x = 100
    assert moved.result().x == 7
    assert type(moved.result()) is Point


def test_an_object_that_function_and_arguments_share_stays_shared(executor):
    shared = []
    assert executor.submit(functools.partial(lambda a, b: a is b, shared), shared).result()
    assert executor.submit(lambda: shared is not None).result()


def test_a_function_of_the_main_script_is_sent_by_value_and_an_instance_of_its_classes_too(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        """
from runtime import Executor

class Point:
    def __init__(self, x): self.x = x

def double(point): return Point(point.x * FACTOR)

FACTOR = 2
if __name__ == "__main__":
    with Executor(max_workers=1) as executor:
        doubled = [executor.submit(double, Point(x)).result() for x in (1, 2)]
    assert [type(point) for point in doubled] == [Point, Point]
    print([point.x for point in doubled])
"""
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=patience(60), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[2, 4]\n", "")


def test_a_value_that_cannot_be_pickled_fails_its_future_alone(executor):
    refused = executor.submit(functions.keep, threading.Lock())
    assert isinstance(refused.exception(), TypeError)
    assert refused.done()
    assert refused.hashid is None
    unreturnable = executor.submit(lambda: (x for x in ()))
    assert isinstance(unreturnable.exception(), TypeError)
    assert executor.submit(functions.keep, 1).result() == 1


def test_equal_functions_have_the_one_hashid_that_their_registration_gives(worker, executor):
    first, second = executor.submit(functions.keep, 1), executor.submit(functions.keep, 2)
    other = executor.submit(functions.nothing)
    handle = worker.register(functions.keep)
    worker.unregister(handle)
    assert first.hashid == second.hashid == handle.hashid != other.hashid
    assert executor.submit(lambda: 1).hashid.startswith("sha256:")


# ---- failures --------------------------------------------------------------------------------------------------------


def test_an_exception_keeps_its_type_with_the_childs_traceback_as_cause_and_a_note_that_names_the_function(executor):
    error = executor.submit(functions.raise_it, KeyError("absent")).exception()
    assert (type(error), error.args) == (KeyError, ("absent",))
    assert "functions.py" in str(error.__cause__)
    assert "raise error" in str(error.__cause__)
    (note,) = error.__notes__
    assert "callable raise_it (sha256:" in note


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_even_an_exit_is_the_failure_of_its_call_alone(executor, error):
    assert type(executor.submit(functions.raise_it, error).exception()) is type(error)
    assert executor.submit(functions.keep, 1).result() == 1


def test_a_worker_that_dies_fails_the_call_it_ran_and_no_other_and_the_pool_survives(tmp_path):
    with Executor(max_workers=2) as executor:
        before = {child.pid for child in executor.worker.children}
        gate = tmp_path / "open"
        others = [executor.submit(functions.wait_for, gate) for _ in range(1)]
        victim = executor.submit(functions.kill_me)
        rest = [executor.submit(functions.keep, i) for i in range(20)]
        error = victim.exception()
        gate.touch()
        assert isinstance(error, WorkerLost)
        assert isinstance(error, concurrent.futures.BrokenExecutor)
        assert error.signal == signal.SIGKILL
        assert "callable kill_me" in str(error)
        assert {future.result() for future in others} <= before
        assert [future.result() for future in rest] == list(range(20))
        assert wait_until(lambda: all(child.state == "ready" for child in executor.worker.children))
        assert len({child.pid for child in executor.worker.children} & before) == 1
        assert executor.submit(os.getpid).result() in {child.pid for child in executor.worker.children}


def test_the_traceback_of_a_class_method_names_its_file_and_line(executor):
    error = executor.submit(functions.Failing.fail).exception()
    assert isinstance(error, LookupError)
    assert 'raise LookupError("of a class")' in str(error.__cause__)


def test_a_lost_call_is_begun_again_on_an_executor_that_allows_it(tmp_path):
    with Executor(max_workers=1, retries=1) as executor:
        assert executor.submit(functions.die_once, tmp_path).result() == "second"
        lost = executor.submit(functions.kill_me)
        assert isinstance(lost.exception(), WorkerLost)
        assert executor.submit(functions.keep, 1).result() == 1


def test_a_call_that_exceeds_its_deadline_fails_and_the_next_runs_on_a_fresh_worker():
    with Executor(max_workers=1, deadline=0.2) as executor:
        before = executor.submit(os.getpid)
        late, after = executor.submit(time.sleep, 600), executor.submit(os.getpid)
        assert isinstance(late.exception(), TaskTimeout)
        assert "callable sleep" in str(late.exception())
        assert after.result() != before.result()


def test_a_pool_survives_any_number_of_calls_that_end_their_worker():
    with Executor(max_workers=1) as executor:
        assert [type(executor.submit(functions.kill_me).exception()) for _ in range(30)] == [WorkerLost] * 30
        assert executor.submit(functions.keep, 1).result() == 1
        assert executor.worker.stats().restarts == 30


def test_a_pool_whose_worker_cannot_start_any_more_fails_its_calls_instead_of_waiting_for_ever(tmp_path):
    needed = tmp_path / "needed"
    needed.touch()
    with Executor(max_workers=1, initializer=functions.OnlyWith(needed)) as executor:
        assert executor.submit(functions.keep, 1).result() == 1
        needed.unlink()
        assert isinstance(executor.submit(functions.kill_me).exception(), WorkerLost)
        given_up = executor.submit(functions.keep, 1).exception()
        assert isinstance(given_up, WorkerGivenUp)
        assert "11 processes in a row that executed no task" in str(given_up)
        assert "needed is gone" in str(given_up)
        with pytest.raises(WorkerGivenUp):
            executor.submit(functions.keep, 1)


def test_an_explicit_limit_of_restarts_holds_for_the_workers_of_an_executor_too():
    with Executor(max_workers=1, options=WorkerOptions(max_restarts=0)) as executor:
        lost, waiting = executor.submit(functions.kill_me), executor.submit(functions.keep, 1)
        assert isinstance(lost.exception(), WorkerLost)
        assert isinstance(waiting.exception(), WorkerGivenUp)
        with pytest.raises(WorkerGivenUp):
            executor.submit(functions.keep, 1)


# ---- cancelling, waiting ---------------------------------------------------------------------------------------------


def test_a_call_that_has_not_begun_is_cancelled_and_one_that_runs_is_not(tmp_path):
    gate, mark = tmp_path / "open", tmp_path / "begun"
    with Executor(max_workers=1) as executor:
        running = executor.submit(functions.touch_and_wait, mark, gate)
        waiting = [executor.submit(functions.touch_and_wait, tmp_path / str(i), gate) for i in range(3)]
        told = []
        waiting[1].add_done_callback(told.append)
        assert wait_until(mark.exists)
        assert running.running()
        assert not waiting[1].running()
        assert not running.cancel()
        assert waiting[1].cancel()
        assert waiting[1].cancel()
        assert waiting[1].cancelled()
        assert told == [waiting[1]]
        done, rest = concurrent.futures.wait([running, *waiting], return_when="FIRST_COMPLETED")
        assert done == {waiting[1]}
        assert rest == {running, waiting[0], waiting[2]}
        with pytest.raises(concurrent.futures.CancelledError):
            waiting[1].result()
        gate.touch()
        assert waiting[2].result() == running.result()
        assert not running.cancel()
    assert not (tmp_path / "1").exists()


def test_a_result_that_is_late_times_out_and_can_be_awaited_again(executor, tmp_path):
    gate = tmp_path / "open"
    future = executor.submit(functions.wait_for, gate)
    for wait in (future.result, future.exception):
        with pytest.raises(TimeoutError):
            wait(timeout=0.02)
    gate.touch()
    assert future.result(timeout=patience(30)) > 0


def test_callbacks_run_on_the_executors_own_thread_even_if_another_thread_waits(executor, tmp_path):
    gate, where = tmp_path / "open", []
    future = executor.submit(functions.wait_for, gate)
    future.add_done_callback(lambda _: where.append(threading.current_thread().name))
    threading.Timer(0.05, gate.touch).start()
    future.result()
    assert wait_until(lambda: where == ["callring-executor"])


def test_many_threads_may_submit_wait_and_cancel_at_once(executor):
    outcomes = []

    def use(seed):
        futures = [executor.submit(functions.keep, (seed, i)) for i in range(200)]
        cancelled = {i for i in range(seed, 200, 7) if futures[i].cancel()}
        got = {i: future.result() for i, future in enumerate(futures) if i not in cancelled}
        outcomes.append(all(value == (seed, i) for i, value in got.items()) and len(got) + len(cancelled) == 200)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 6


def test_an_interrupt_while_waiting_leaves_the_future_to_be_settled(executor, tmp_path):
    gate = tmp_path / "open"
    future = executor.submit(functions.wait_for, gate)
    main = threading.main_thread().ident
    with contextlib.suppress(KeyboardInterrupt):  # wherever the interrupt arrives
        threading.Timer(0.1, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
        future.result()
    assert not future.done()
    gate.touch()
    assert wait_until(future.done)


# ---- map -------------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(
    numbers=st.lists(st.integers(), max_size=30),
    chunksize=st.integers(1, 12),
    buffersize=st.none() | st.integers(1, 5),
)
def test_map_gives_the_results_of_the_builtin_with_any_chunks_and_any_buffer(worker, numbers, chunksize, buffersize):
    with Executor(worker) as executor:
        mapped = executor.map(functions.keep, numbers, chunksize=chunksize, buffersize=buffersize)
        assert list(mapped) == numbers


def test_a_bounded_map_reads_only_so_far_ahead(executor):
    read = []
    results = executor.map(functions.keep, (read.append(i) or i for i in range(100)), buffersize=4)
    assert len(read) == 4
    assert next(results) == 0
    assert len(read) == 5
    results.close()


def test_a_map_that_times_out_cancels_the_calls_that_have_not_begun(tmp_path):
    gate, marks = tmp_path / "open", [tmp_path / f"begun {i}" for i in range(50)]
    with Executor(max_workers=1) as executor:
        with pytest.raises(TimeoutError):
            list(executor.map(functions.touch_and_wait, marks, [gate] * len(marks), timeout=0.05))
        gate.touch()
    assert sum(mark.exists() for mark in marks) < 10


@pytest.mark.parametrize("buffersize", ["foo", 2.0])
def test_a_buffersize_that_is_no_integer_is_a_type_error_as_in_python_3_14(executor, buffersize):
    with pytest.raises(TypeError, match="buffersize must be an integer or None"):
        executor.map(str, range(4), buffersize=buffersize)


@pytest.mark.parametrize("wrong", [{"chunksize": 0}, {"buffersize": 0}])
def test_impossible_sizes_of_a_map_are_refused(executor, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        executor.map(functions.keep, [1], **wrong)


# ---- initializers ----------------------------------------------------------------------------------------------------


def test_an_initializer_runs_once_in_each_process_before_its_first_call_replacements_included(tmp_path):
    log = tmp_path / "log"
    with Executor(max_workers=1, initializer=functions.initialize, initargs=("ready", log)) as executor:
        pids = [executor.submit(functions.current_status).result() for _ in range(3)]
        executor.submit(functions.kill_me).exception()
        pids.append(executor.submit(functions.current_status).result())
    assert [status for _, status in pids] == ["ready"] * 4
    assert [int(line) for line in log.read_text().split()] == list(dict.fromkeys(pid for pid, _ in pids))


def test_two_executors_over_one_worker_each_run_their_own_initializer(worker, tmp_path):
    log = tmp_path / "log"
    for _ in range(2):
        with Executor(worker, initializer=functions.initialize, initargs=("", log)) as executor:
            pid = executor.submit(os.getpid).result()
            assert int(log.read_text().split()[-1]) == pid


def test_a_failing_initializer_fails_calls_and_is_tried_again_with_the_next(tmp_path):
    needed = tmp_path / "needed"
    with Executor(max_workers=1, initializer=functions.initialize_if_there, initargs=(needed,)) as executor:
        error = executor.submit(functions.nothing).exception()
        assert isinstance(error, InitializerError)
        assert isinstance(error, concurrent.futures.BrokenExecutor)
        assert "FileNotFoundError" in str(error)
        assert "initialize_if_there" in str(error.__cause__)
        needed.touch()
        assert executor.submit(functions.keep, 1).result() == 1


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_shutdown_finishes_submitted_calls_and_ends_only_a_worker_of_its_own(worker, tmp_path):
    executor = Executor(worker)
    futures = [executor.submit(functions.keep, i) for i in range(50)]
    executor.shutdown()
    assert [future.done() for future in futures] == [True] * 50
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(functions.nothing)
    executor.shutdown()
    assert all(child.state == "ready" for child in worker.children)
    assert not any("Calls" in repr(child.installed) for child in worker.children)
    with Executor(max_workers=1) as own:
        assert own.submit(functions.keep, 1).result() == 1
    assert [child.state for child in own.worker.children] == ["closed"]


def test_an_executor_leaves_no_callable_installed_in_a_worker_that_it_shares(worker):
    before = [child.installed for child in worker.children]
    with Executor(worker, initializer=functions.initialize, initargs=("",)) as executor:
        executor.submit(functions.nothing).result()
        assert [child.installed for child in worker.children] != before
    assert wait_until(lambda: [child.installed for child in worker.children] == before)


def test_a_shutdown_that_cancels_lets_the_running_call_end_and_begins_no_other(tmp_path):
    gate, mark = tmp_path / "open", tmp_path / "begun"
    executor = Executor(max_workers=1)
    running = executor.submit(functions.touch_and_wait, mark, gate)
    waiting = [executor.submit(functions.touch_and_wait, tmp_path / str(i), gate) for i in range(2000)]
    assert wait_until(mark.exists)
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in waiting)
    assert not running.done()
    gate.touch()
    executor.shutdown()
    assert running.result() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "open"]


def test_shutdown_without_waiting_returns_at_once_and_everything_still_ends(tmp_path):
    gate = tmp_path / "open"
    executor = Executor(max_workers=1)
    running, waiting = executor.submit(functions.wait_for, gate), executor.submit(functions.keep, 1)
    executor.shutdown(wait=False)
    assert not running.done()
    gate.touch()
    assert waiting.result() == 1
    assert wait_until(lambda: executor.worker.children[0].pid < 0)  # the worker has ended


def test_shutdown_may_be_called_from_a_callback():
    executor = Executor(max_workers=1)
    done = threading.Event()
    future = executor.submit(functions.nothing)
    future.add_done_callback(lambda _: (executor.shutdown(), done.set()))
    assert done.wait(30)
    executor.shutdown()


def test_a_dropped_executor_ends_after_its_calls():
    executor = Executor(max_workers=1)
    gone = weakref.ref(executor)
    future, worker = executor.submit(functions.keep, 1), executor.worker
    del executor
    gc.collect()
    assert gone() is None
    assert future.result() == 1
    assert wait_until(lambda: worker.children[0].pid < 0)


def test_closing_the_worker_settles_every_future(tmp_path):
    with Worker(sub_workers=1, options=WorkerOptions(close_timeout=0.1)) as worker:
        executor = Executor(worker)
        futures = [executor.submit(functions.wait_for, tmp_path / "never") for _ in range(3)]
        told = []
        futures[2].add_done_callback(told.append)
        assert wait_until(futures[0].running)
    assert isinstance(futures[0].exception(timeout=patience(30)), WorkerLost)
    with pytest.raises(concurrent.futures.CancelledError):
        futures[1].result(timeout=patience(30))
    assert wait_until(lambda: told == [futures[2]])
    with pytest.raises((RuntimeError, WorkerClosed)):
        executor.submit(functions.nothing)
    executor.shutdown()


EXIT = """
import sys, time
from runtime import Executor, Worker
from tests.executor.functions import keep
executor = Executor(max_workers=1)
futures = [executor.submit(time.sleep, 0.2), executor.submit(print, "the last", flush=True)]
futures[1].add_done_callback(lambda future: print("called back", flush=True))
"""


@pytest.mark.parametrize("end", ["", "executor.shutdown(wait=False)", "del executor", "raise SystemExit(0)"])
def test_the_interpreter_finishes_pending_calls_before_it_ends(end):
    done = subprocess.run(
        [sys.executable, "-c", EXIT + end], capture_output=True, text=True, timeout=patience(60), check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == ["the last", "called back", ""]


@pytest.mark.filterwarnings("ignore:.* is multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_refuses_to_use_the_executor_and_ends(executor):
    pid = os.fork()
    if pid == 0:
        try:
            executor.submit(functions.nothing)
        except RuntimeError as error:
            os._exit(7 if "forked" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_finished_executor_leaves_no_thread_no_descriptor_and_no_process():
    def resources():
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    with Executor(max_workers=1):
        pass
    gc.collect()
    before = resources()
    for _ in range(3):
        with Executor(max_workers=2) as executor:
            executor.submit(functions.nothing).result()
    del executor
    gc.collect()
    # There may be fewer: resources that earlier tests left to end by themselves may have ended meanwhile.
    assert wait_until(lambda: all(now <= then for now, then in zip(resources(), before, strict=True)))


def test_a_finished_executor_that_is_kept_does_not_keep_its_thread():
    others = set(threading.enumerate())
    with Executor(max_workers=1) as executor:
        executor.submit(functions.nothing).result()
        (thread,) = [weakref.ref(one) for one in threading.enumerate() if one not in others]
    gc.collect()
    assert thread() is None
    executor.shutdown()  # once more, as callers may


def switches(thread):
    """How often a thread of this process has gone to sleep."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(status.split("nonvoluntary_ctxt_switches")[0].split("voluntary_ctxt_switches:")[1])


def slept_through(thread, seconds):
    before = switches(thread)
    time.sleep(seconds)
    return switches(thread) == before


def test_the_thread_of_an_executor_sleeps_while_no_call_ends_even_if_a_caller_waits(tmp_path):
    with Executor(max_workers=1) as executor:
        (own,) = [thread for thread in threading.enumerate() if thread.name == "callring-executor"]
        executor.submit(functions.nothing).result()
        gate = tmp_path / "gate"
        held = executor.submit(functions.wait_for, gate)
        assert wait_until(lambda: slept_through(own, 0.3))
        caller = threading.Thread(target=held.result)
        caller.start()
        try:
            # The caller checks for signals a few times a second, which wakes both threads.
            assert wait_until(lambda: slept_through(caller, 0.1))
            assert wait_until(lambda: slept_through(own, 0.1))
        finally:
            gate.touch()
            caller.join()


# ---- with other users of the Worker ----------------------------------------------------------------------------------


def test_an_executor_shares_its_worker_with_runs(worker, executor):
    futures = [executor.submit(functions.keep, i) for i in range(50)]
    total = worker.share(np.arange(4.0))
    handle = worker.register(lambda args: float(args[0].sum()))
    assert worker.run(lambda o: o.submit_sub(handle, TaskArgs((total, Tag.INPUT)))).result() == 6.0
    worker.unregister(handle)
    assert [future.result() for future in futures] == list(range(50))


def test_an_event_loop_awaits_calls(executor):
    async def main():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, functions.keep, i) for i in range(30)]
        assert await asyncio.gather(*calls) == list(range(30))
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(executor, divmod, 1, 0)

    asyncio.run(main())


def test_a_submit_at_the_bound_of_pending_tasks_waits_for_room():
    with Executor(max_workers=1, options=WorkerOptions(max_pending_tasks=4)) as executor:
        assert [f.result() for f in [executor.submit(functions.keep, i) for i in range(200)]] == list(range(200))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"max_workers": 0}, "max_workers must be greater than 0"),
        ({"workers": 1, "max_workers": 1}, "not both"),
        ({"max_workers": 1, "retries": -1}, "retries=-1"),
        ({"max_workers": 1, "deadline": 0}, "deadline=0"),
    ],
)
def test_impossible_arguments_are_refused_before_anything_starts(wrong, named):
    with pytest.raises(ConfigurationError, match=named):
        Executor(**wrong)


def test_a_worker_that_cannot_run_python_is_refused():
    with pytest.raises(ConfigurationError, match="has none"):
        Executor(Worker(chips=1))
    with pytest.raises(WorkerClosed, match="not started"):
        Executor(Worker(sub_workers=1))
    with pytest.raises(TypeError, match="initializer"):
        Executor(max_workers=1, initializer=3)
