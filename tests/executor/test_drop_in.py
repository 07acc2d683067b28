"""Programs for ProcessPoolExecutor work unchanged, and so do the features that ProcessPoolExecutor does not have."""

import concurrent.futures
import multiprocessing
import os
import signal
import time

import pytest

from runtime import Executor, Worker
from runtime.errors import ConfigurationError, TaskTimeout, WorkerLost
from tests.contract.conftest import wait_until
from tests.executor import functions


@pytest.fixture(params=["own", "shared"])
def either(request):
    """An Executor with its own Worker, and one over a shared Worker."""
    if request.param == "own":
        with Executor(2) as executor:
            yield executor
    else:
        with Worker(sub_workers=2) as worker, Executor(worker) as executor:
            yield executor


# ---- how it is made --------------------------------------------------------------------------------------------------


def test_arguments_by_position_are_those_of_the_standard_librarys_pool():
    with Executor(1, None, functions.initialize, ("by position",), max_tasks_per_child=None) as executor:
        assert executor.submit(functions.current_status).result()[1] == "by position"


def test_the_number_of_workers_has_the_private_name_that_other_packages_read(executor):
    assert executor._max_workers == 2
    assert Executor(max_workers=3)._max_workers == 3


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_context_that_starts_fresh_processes_is_accepted(method):
    with Executor(1, multiprocessing.get_context(method)) as executor:
        assert executor.submit(functions.keep, 1).result() == 1


def test_a_context_that_forks_is_refused():
    with pytest.raises(ConfigurationError, match=r"mp_context.*initializer"):
        Executor(1, multiprocessing.get_context("fork"))


@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError), (1.5, TypeError)])
def test_an_impossible_number_of_calls_for_a_process_is_refused(wrong, error):
    with pytest.raises(error, match="max_tasks_per_child"):
        Executor(1, max_tasks_per_child=wrong)


def test_a_process_is_replaced_after_its_number_of_calls_and_no_call_is_lost():
    with Executor(1, max_tasks_per_child=3) as executor:
        pids = [future.result() for future in [executor.submit(os.getpid) for _ in range(40)]]
        runs = [pids[i : i + 3] for i in range(0, len(pids), 3)]
        assert all(len(set(run)) == 1 for run in runs)
        assert len(set(pids)) == len(runs)
        assert executor.worker.stats().lost == 0


def test_processes_that_are_replaced_after_their_calls_do_not_count_as_deaths(worker):
    with Executor(worker, max_tasks_per_child=1) as executor:
        assert len({future.result() for future in [executor.submit(os.getpid) for _ in range(50)]}) == 50
    assert wait_until(lambda: all(child.state == "ready" for child in worker.children))


# ---- futures ---------------------------------------------------------------------------------------------------------


def test_the_state_of_a_future_shows_that_its_call_runs(executor, tmp_path):
    gate, mark = tmp_path / "open", tmp_path / "begun"
    future = executor.submit(functions.touch_and_wait, mark, gate)
    assert wait_until(mark.exists)
    assert future._state == concurrent.futures._base.RUNNING
    assert "state=running" in repr(future)
    gate.touch()
    future.result()
    assert "state=finished returned int" in repr(future)


def test_a_running_call_is_cancelled_on_request(either, tmp_path):
    gate, mark = tmp_path / "open", tmp_path / "begun"
    running = either.submit(functions.touch_and_wait, mark, gate)
    beside = either.submit(functions.wait_for, gate)
    behind = [either.submit(functions.keep, i) for i in range(20)]
    told = []
    running.add_done_callback(told.append)
    assert wait_until(mark.exists)
    assert not running.cancel()
    assert running.cancel(running=True)
    assert running.cancelled()
    assert wait_until(lambda: told == [running])
    with pytest.raises(concurrent.futures.CancelledError):
        running.result()
    gate.touch()
    assert beside.result() > 0
    assert [future.result() for future in behind] == list(range(20))
    assert either.worker.stats().cancelled == 1


def test_an_ended_call_is_never_cancelled(executor):
    future = executor.submit(functions.keep, 1)
    assert future.result() == 1
    assert not future.cancel(running=True)
    assert future.result() == 1


def test_cancelling_at_any_moment_leaves_a_future_either_cancelled_or_with_its_result(executor):
    for _ in range(30):
        futures = [executor.submit(functions.keep, i) for i in range(3)]
        cancelled = [future.cancel(running=True) for future in futures]
        for i, future in enumerate(futures):
            assert future.cancelled() is cancelled[i]
            assert cancelled[i] or future.result() == i


def test_a_cancelled_call_does_not_begin_again_though_it_has_retries(tmp_path):
    with Executor(1, retries=5) as executor:
        mark = tmp_path / "begun"
        future = executor.submit(functions.touch_and_wait, mark, tmp_path / "never")
        assert wait_until(mark.exists)
        assert future.cancel(running=True)
        assert executor.worker.stats().begun_again == 0


def test_a_lost_worker_is_named_by_its_pid(executor):
    before = {child.pid for child in executor.worker.children}
    error = executor.submit(functions.kill_me).exception()
    assert error.pid in before
    assert f"pid {error.pid}" in str(error)
    left = executor.submit(os._exit, 3).exception()
    assert (left.exit_status, left.signal) == (3, None)
    assert left.pid not in (None, error.pid)


class ExitsWhenPickled:
    def __reduce__(self):
        raise SystemExit(4)


def test_an_exit_while_pickling_fails_the_future(executor):
    error = executor.submit(functions.keep, ExitsWhenPickled()).exception()
    assert isinstance(error, SystemExit)
    assert any("while pickling a call of keep" in note for note in error.__notes__)


def test_calls_may_have_bounds_of_their_own(executor, tmp_path):
    bounded = executor.with_options(deadline=0.2, retries=1)
    late = bounded.submit(time.sleep, 600)
    assert isinstance(late.exception(), TaskTimeout)
    assert bounded.submit(functions.die_once, tmp_path).result() == "second"
    assert isinstance(executor.submit(functions.kill_me).exception(), WorkerLost)
    assert list(bounded.map(functions.keep, range(5))) == list(range(5))
    assert bounded.with_options(deadline=float("inf"), retries=0)._limits == executor._limits
    with pytest.raises(ConfigurationError, match="deadline"):
        executor.with_options(deadline=-1)


# ---- map -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunksize", [1, 4])
@pytest.mark.parametrize("unordered", [False, True])
def test_starmap_unpacks_its_arguments(executor, chunksize, unordered):
    got = executor.starmap(pow, [(i, 2) for i in range(20)], chunksize=chunksize, unordered=unordered)
    assert sorted(got) == [i * i for i in range(20)]


def test_an_unordered_map_yields_ended_calls_before_running_ones(tmp_path):
    gate = tmp_path / "open"
    with Executor(2) as executor:
        results = executor.starmap(
            functions.wait_if, [(i, str(gate) if i == 0 else None) for i in range(10)], unordered=True
        )
        first = [next(results) for _ in range(9)]
        gate.touch()
        assert sorted(first) == list(range(1, 10))
        assert list(results) == [0]


def test_a_bounded_unordered_map_reads_only_so_far_ahead(executor):
    read = []
    results = executor.map(functions.keep, (read.append(i) or i for i in range(50)), buffersize=4, unordered=True)
    assert len(read) == 4
    got = [next(results)]
    assert len(read) == 5
    assert sorted([*got, *results]) == list(range(50))


def test_an_unordered_map_ends_with_the_first_exception_and_cancels_the_rest(tmp_path):
    with Executor(1) as executor:
        calls = [(ValueError("first"),)] + [(KeyError(i),) for i in range(200)]
        with pytest.raises(ValueError, match="first"):
            list(executor.starmap(functions.raise_it, calls, unordered=True))
    assert executor.worker.stats().failed + executor.worker.stats().cancelled == 201


def test_an_unordered_map_that_is_late_times_out(executor, tmp_path):
    gate = tmp_path / "open"
    with pytest.raises(TimeoutError):
        next(executor.map(functions.wait_for, [gate], timeout=0.05, unordered=True))
    gate.touch()


# ---- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["kill_workers", "terminate_workers"])
def test_workers_are_ended_with_their_running_calls_and_waiting_calls_are_cancelled(either, end, tmp_path):
    marks = [tmp_path / "a", tmp_path / "b"]
    running = [either.submit(functions.touch_and_wait, mark, tmp_path / "never") for mark in marks]
    assert wait_until(lambda: all(mark.exists() for mark in marks))
    waiting = [either.submit(functions.keep, i) for i in range(20)]
    getattr(either, end)()
    assert all(isinstance(future.exception(), WorkerLost) for future in running)
    signals = {future.exception().signal for future in running}
    assert signals == {signal.SIGTERM if end == "terminate_workers" and either._stream._owned else signal.SIGKILL}
    assert all(future.cancelled() for future in waiting)
    with pytest.raises(RuntimeError, match="ended"):
        either.submit(functions.nothing)


def test_a_call_that_ignores_the_signal_is_ended_by_force(tmp_path):
    from runtime import WorkerOptions

    with Executor(1, options=WorkerOptions(close_timeout=0.3)) as executor:
        mark = tmp_path / "begun"
        stubborn = executor.submit(functions.ignore_and_wait, mark, tmp_path / "never")
        assert wait_until(mark.exists)
        executor.terminate_workers()
        assert stubborn.exception().signal == signal.SIGKILL


def test_workers_of_other_executors_go_on_when_an_executor_kills_its_own_calls(worker, tmp_path):
    gate, mark = tmp_path / "open", tmp_path / "begun"
    with Executor(worker) as other, Executor(worker) as executor:
        kept = other.submit(functions.touch_and_wait, tmp_path / "other", gate)
        assert wait_until((tmp_path / "other").exists)
        killed = executor.submit(functions.touch_and_wait, mark, gate)
        assert wait_until(mark.exists)
        executor.kill_workers()
        assert isinstance(killed.exception(), WorkerLost)
        gate.touch()
        assert kept.result() > 0
