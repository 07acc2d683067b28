import asyncio
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterable

import numpy as np
import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import CallringError, ChipError, ConfigurationError, TaskSkipped, WorkerGivenUp
from runtime.pickles.outcomes import RemoteTraceback
from runtime.runs.orchestrator import Orchestrator
from tests.contract.conftest import wait_until


@pytest.fixture(scope="module")
def worker():
    with Worker(chips=2, sub_workers=2) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Replaces the check after each test: the module's worker lives on between tests."""


@pytest.fixture(scope="module")
def add(worker, chip):
    return worker.register(chip["add"])


def call(worker, function, args=None):
    handle = worker.register(function)
    try:
        return worker.run(lambda o: o.submit_sub(handle, args)).result()
    finally:
        worker.unregister(handle)


@pytest.mark.parametrize(
    "value", [None, 0, -5, 2.5, "text", [1, {"a": (2,)}], b"x" * 200, b"x" * 40_000, b"x" * 3_000_000]
)
def test_a_value_of_any_size_is_returned(worker, value):
    assert call(worker, lambda args: value) == value


def test_an_array_is_returned(worker):
    np.testing.assert_array_equal(call(worker, lambda args: np.arange(10_000)), np.arange(10_000))


def test_arguments_are_views_of_shared_memory_and_inputs_are_read_only(worker):
    source, target = worker.share(np.arange(6.0).reshape(2, 3)), worker.zeros((3, 2), "float64")

    def transpose(args):
        assert len(args) == 2
        assert not args[0].flags.writeable
        args[1][...] = args[0].T
        return args.scalars

    args = TaskArgs((source, Tag.INPUT), (target, Tag.OUTPUT), scalars=[7, -1])
    assert call(worker, transpose, args) == [7, 2**64 - 1]
    np.testing.assert_array_equal(target.numpy(), source.numpy().T)


def test_arguments_are_iterable_and_are_unpacked_in_their_order(worker):
    numbers, target = worker.share(np.arange(3.0)), worker.zeros(2, "float64")

    def unpack(args):
        *inputs, output = args
        output[:] = inputs[0][0], inputs[1][0]
        return isinstance(args, Iterable), [array.flags.writeable for array in args]

    args = TaskArgs((numbers[1:], Tag.INPUT), (numbers[2:], Tag.INPUT), (target, Tag.OUTPUT))
    assert call(worker, unpack, args) == (True, [False, False, True])
    assert target.numpy().tolist() == [1, 2]
    assert call(worker, list) == []


def test_strided_views_arrive_as_they_are(worker):
    numbers = worker.share(np.arange(40, dtype="int32").reshape(5, 8))
    view = numbers[1:4, ::-2]
    assert call(worker, lambda args: args[0].tolist(), TaskArgs((view, Tag.INPUT))) == view.numpy().tolist()


def test_many_arguments_spill_into_shared_memory(worker):
    tensors = [worker.share(np.full(2, i)) for i in range(100)]
    args = TaskArgs(*((tensor, Tag.INPUT) for tensor in tensors), scalars=range(50))
    assert call(
        worker, lambda args: (sum(int(a[0]) for a in (args[i] for i in range(len(args)))), sum(args.scalars)), args
    ) == (
        4950,
        1225,
    )


def test_a_small_plain_array_is_copied_and_a_large_one_must_be_shared(worker):
    assert call(worker, lambda args: float(args[0].sum()), TaskArgs((np.ones(3), Tag.INPUT))) == 3.0
    with pytest.raises(TypeError, match="share"):
        TaskArgs((np.ones(100_000), Tag.INPUT))
    with pytest.raises(TypeError, match="share"):
        TaskArgs((np.ones(3), Tag.OUTPUT))
    with pytest.raises(TypeError, match="share"):
        TaskArgs(([1, 2], Tag.INPUT))


def test_dependencies_order_tasks_across_chips_and_sub_workers(worker, add):
    a, b, c = (worker.share(np.full(100, value)) for value in (1.0, 2.0, 0.0))
    double = worker.register(lambda args: args[0].__imul__(2) is None)

    def orchestrate(o):
        for step in range(20):
            o.submit_next_level(add, TaskArgs((a, Tag.INPUT), (b, Tag.INPUT), (c, Tag.OUTPUT)), worker=step % 2)
            o.submit_sub(double, TaskArgs((a, Tag.INOUT)))
            o.submit_next_level(add, TaskArgs((c, Tag.INPUT), (c, Tag.INPUT), (b, Tag.OUTPUT)), worker=(step + 1) % 2)

    worker.run(orchestrate)
    x, y, z = 1.0, 2.0, 0.0
    for _ in range(20):
        z = x + y
        x *= 2
        y = z + z
    np.testing.assert_array_equal(a.numpy(), np.full(100, x))
    np.testing.assert_array_equal(b.numpy(), np.full(100, y))
    np.testing.assert_array_equal(c.numpy(), np.full(100, z))


def test_tasks_on_disjoint_slices_do_not_wait_for_each_other(worker):
    buffer = worker.zeros(2, "float64")

    def wait_for_other(args):
        args[0][0] = 1.0
        end = time.monotonic() + 10
        while args[1][0] == 0.0:
            assert time.monotonic() < end, "the other task did not run at the same time"

    handle = worker.register(wait_for_other)
    first, second = buffer[:1], buffer[1:]
    worker.run(
        lambda o: (
            [
                o.submit_sub(handle, TaskArgs((mine, Tag.OUTPUT), (other, Tag.NO_DEP)))
                for mine, other in ((first, second), (second, first))
            ]
            and None
        )
    )


def test_after_orders_tasks_that_share_no_tensor(worker):
    record = worker.zeros(2, "float64")

    def slow(args):
        time.sleep(0.05)
        args[0][0] = 1.0

    def fast(args):
        args[0][1] = args[0][0]

    first, second = worker.register(slow), worker.register(fast)

    def orchestrate(o):
        task = o.submit_sub(first, TaskArgs((record, Tag.NO_DEP)))
        o.submit_sub(second, TaskArgs((record, Tag.NO_DEP)), after=[task])

    worker.run(orchestrate)
    assert record.numpy().tolist() == [1.0, 1.0]


def test_short_tasks_do_not_wait_behind_a_long_one(worker):
    gate = worker.zeros(1, "float64")

    def wait(args):
        end = time.monotonic() + 20
        while args[0][0] == 0.0:
            assert time.monotonic() < end

    long, short = worker.register(wait), worker.register(lambda args: 1)

    def orchestrate(o):
        held = o.submit_sub(long, TaskArgs((gate, Tag.NO_DEP)))
        total = sum(task.result(timeout=10) for task in [o.submit_sub(short) for _ in range(200)])
        gate.numpy()[0] = 1.0
        held.wait()
        return total

    assert worker.run(orchestrate) == 200


def test_more_tasks_than_any_bound_are_accepted_and_run():
    options = WorkerOptions(lane_capacity=16, max_pending_tasks=64)
    with Worker(sub_workers=1, options=options) as small:
        counter = small.zeros(1, "int64")
        bump = small.register(lambda args: args[0].__iadd__(1) is None)
        small.run(lambda o: [o.submit_sub(bump, TaskArgs((counter, Tag.INOUT))) for _ in range(5_000)] and None)
        assert counter.numpy()[0] == 5_000


def _made_again(*_args, **_named):
    raise AssertionError("a refused submit was repeated")


def test_a_submit_that_meets_a_bound_waits_and_continues_with_all_its_arguments(monkeypatch, gate):
    monkeypatch.setattr(Orchestrator, "_submit_sub", _made_again)
    with Worker(sub_workers=1, options=WorkerOptions(max_pending_tasks=4)) as small:
        passes = small.register(gate.task())
        add = small.register(lambda args: sum(args.scalars))
        scalars = list(range(100))  # more than fits a frame

        def orchestrate(o):
            first = o.submit_sub(passes)
            return [o.submit_sub(add, TaskArgs(scalars=[i, *scalars]), after=[first]) for i in range(200)]

        def open_once_the_submits_wait():
            wait_until(lambda: small.stats().waits > 0)
            gate.open()

        opens = threading.Thread(target=open_once_the_submits_wait)
        opens.start()
        assert [task.result() for task in small.run(orchestrate)] == [sum(scalars) + i for i in range(200)]
        opens.join()
        assert small.stats().waits > 0


def test_a_refused_submit_raises_the_reason_and_is_not_repeated(monkeypatch):
    monkeypatch.setattr(Orchestrator, "_submit_sub", _made_again)
    with Worker(sub_workers=1, options=WorkerOptions(max_restarts=1)) as one:
        dies = one.register(lambda args: os.kill(os.getpid(), signal.SIGKILL))
        assert one.submit(lambda o: [o.submit_sub(dies) for _ in range(2)] and None).wait(60)
        with pytest.raises(WorkerGivenUp, match=r"every sub-worker was given up"):
            one.run(lambda o: o.submit_sub(dies))


def test_an_exception_keeps_its_type_and_brings_the_childs_traceback(worker):
    def fails(args):
        return {}["missing"]

    with pytest.raises(KeyError, match="missing") as caught:
        call(worker, fails)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "in fails" in str(caught.value.__cause__)
    assert any("sub-worker" in note and "sha256:" in note for note in caught.value.__notes__)


def test_an_exception_that_cannot_be_pickled_arrives_as_name_and_text(worker):
    class Odd(Exception):
        def __init__(self, a, b):
            super().__init__(f"{a} and {b}")
            self.lock = threading.Lock()

    def fails(args):
        raise Odd(1, 2)

    with pytest.raises(RuntimeError, match="Odd: 1 and 2"):
        call(worker, fails)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_task_that_raises_system_exit_or_keyboard_interrupt_fails_alone(worker, kind):
    def leaves(args):
        raise kind(3)

    with pytest.raises(kind):
        call(worker, leaves)
    assert call(worker, lambda args: 5) == 5


def test_a_failure_skips_its_dependents_and_no_other_tasks(worker):
    a, b = worker.zeros(1, "float64"), worker.zeros(1, "float64")

    def fails(args):
        raise ValueError("root")

    bad, touch = worker.register(fails), worker.register(lambda args: args[0].__iadd__(1) is None)
    tasks = []

    def orchestrate(o):
        tasks.append(o.submit_sub(bad, TaskArgs((a, Tag.INOUT))))
        tasks.append(o.submit_sub(touch, TaskArgs((a, Tag.INOUT))))
        tasks.append(o.submit_sub(touch, TaskArgs((a, Tag.INOUT))))
        tasks.append(o.submit_sub(touch, TaskArgs((b, Tag.INOUT))))

    run = worker.submit(orchestrate)
    assert isinstance(run.exception(), ValueError)
    for skipped in tasks[1:3]:
        with pytest.raises(TaskSkipped) as caught:
            skipped.result()
        assert str(caught.value.__cause__) == "root"
    assert tasks[3].result() is False
    assert (a.numpy()[0], b.numpy()[0]) == (0.0, 1.0)
    assert [type(error) for error in run.errors] == [ValueError, TaskSkipped, TaskSkipped]


def test_a_task_submitted_after_its_predecessor_failed_is_skipped_too(worker):
    a = worker.zeros(1, "float64")

    def fails(args):
        raise ValueError("early")

    bad = worker.register(fails)

    def orchestrate(o):
        o.submit_sub(bad, TaskArgs((a, Tag.INOUT))).wait()
        late = o.submit_sub(bad, TaskArgs((a, Tag.INOUT)))
        with pytest.raises(TaskSkipped):
            late.result()

    with pytest.raises(ValueError, match="early"):
        worker.run(orchestrate)


def test_errors_never_leak_into_the_next_run(worker):
    def fails(args):
        raise ValueError("mine")

    bad = worker.register(fails)
    with pytest.raises(ValueError, match="mine"):
        worker.run(lambda o: o.submit_sub(bad))
    assert worker.run(lambda o: 3) == 3


def test_a_kernels_code_reaches_the_user_with_kernel_block_and_chip(worker, chip):
    handle = worker.register(chip["fail_with"])
    with pytest.raises(ChipError, match="fail_with") as caught:
        worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[42]), CallConfig(block_count=1), worker=1))
    error = caught.value
    assert (error.kernel_code, error.kernel, error.block, error.worker) == (42, "fail_with", 0, "chip 1")
    assert error.hashid == handle.hashid


def test_arguments_that_contradict_the_signature_are_refused_at_submit(worker, add):
    x = worker.zeros(4, "float64")
    pairs = [(x, Tag.INPUT), (x, Tag.INPUT), (x, Tag.OUTPUT)]
    wrong = {
        "given 0 tensors and 0 scalars": None,
        "given 2 tensors and 0 scalars": TaskArgs(*pairs[:2]),
        "given 2 tensors and 1 scalar": TaskArgs(*pairs[:2], scalars=[1]),
        "given 3 tensors and 1 scalar": TaskArgs(*pairs, scalars=[1]),
        "given 4 tensors and 0 scalars": TaskArgs(*pairs, (x, Tag.INPUT)),
    }
    for words, args in wrong.items():
        expected = rf"callable add: its signature \(IN, IN, OUT\) takes 3 tensors and 0 scalars; {words}"
        for submit in (
            lambda o, given=args: o.submit_next_level(add, given, worker=0),
            lambda o, given=args: o.submit_next_level_group(add, [TaskArgs(*pairs), given], workers=[0, 1]),
        ):
            for way in (worker.run, worker.capture):
                with pytest.raises(ConfigurationError, match=expected):
                    way(submit)
    worker.run(lambda o: o.submit_next_level(add, TaskArgs(*pairs), worker=0) and None)


def test_a_task_that_would_write_the_same_bytes_twice_is_refused_at_submit(worker, add):
    x = worker.zeros((4, 8), "float64")
    nothing = worker.register(lambda args: None)
    writes = (Tag.OUTPUT, Tag.INOUT, Tag.OUTPUT_EXISTING)
    rows, column, other = x[1:3], x[:, 5], x[:, 4]
    for a, b in ((x, x), (x, rows), (rows, column), (column, x.T), (x.reshape(32)[12:20], rows)):
        for first, second in itertools.product(writes, writes):
            args = TaskArgs((other, Tag.INPUT), (a, first), (b, second))
            for way in (worker.run, worker.capture):
                with pytest.raises(ConfigurationError, match="its tensors 1 and 2 write the same bytes"):
                    way(lambda o, given=args: o.submit_sub(nothing, given))
    many = [(x[i // 8, i % 8], Tag.OUTPUT) for i in range(32)]
    with pytest.raises(ConfigurationError, match="its tensors 20 and 32 write the same bytes"):
        worker.run(lambda o: o.submit_sub(nothing, TaskArgs(*many, (x[2, 4:5], Tag.INOUT))))
    args = TaskArgs((x, Tag.INOUT), (x, Tag.INPUT), (x, Tag.OUTPUT))
    with pytest.raises(ConfigurationError, match="callable add: its tensors"):
        worker.run(lambda o: o.submit_next_level(add, args, worker=0))


def test_a_task_may_write_disjoint_parts_of_a_tensor_and_what_it_reads(worker, add):
    x = worker.zeros((4, 8), "float64")
    nothing = worker.register(lambda args: None)
    for pairs in (
        [(x[:2], Tag.OUTPUT), (x[2:], Tag.OUTPUT)],
        [(x[:, ::2], Tag.INOUT), (x[:, 1::2], Tag.OUTPUT)],
        [(x, Tag.INPUT), (x[1:], Tag.OUTPUT)],
        [(x, Tag.NO_DEP), (x[1:], Tag.OUTPUT)],
        [(x[:0], Tag.OUTPUT), (x, Tag.OUTPUT)],
        [(x[i // 8, i % 8], Tag.OUTPUT) for i in range(32)],
    ):
        assert worker.run(lambda o, pairs=pairs: o.submit_sub(nothing, TaskArgs(*pairs))).result() is None
    y = worker.share(np.arange(8.0))
    in_place = TaskArgs((y, Tag.INPUT), (y, Tag.INPUT), (y, Tag.OUTPUT))
    worker.run(lambda o: o.submit_next_level(add, in_place, worker=0) and None)
    assert y.numpy().tolist() == [2.0 * i for i in range(8)]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_an_orchestration_function_gets_as_many_arguments_as_it_takes(worker, count):
    functions = [lambda: 0, lambda o: 1, lambda o, args: (2, args), lambda o, args, config: (3, args, config)]
    expected = [0, 1, (2, "args"), (3, "args", None)]
    assert worker.run(functions[count], "args") == expected[count]


def test_an_orchestration_function_that_raises_ends_its_run(worker):
    with pytest.raises(ZeroDivisionError):
        worker.run(lambda o: 1 // 0)
    assert worker.run(lambda o: 1) == 1


def test_a_run_handle_can_be_polled_waited_for_and_awaited(worker, gate):
    passes = worker.register(gate.task())
    run = worker.submit(lambda o: o.submit_sub(passes) and "value")
    assert not run.done()
    assert not run.wait(0.001)
    with pytest.raises(TimeoutError):
        run.result(0.001)
    gate.open()

    async def wait():
        return await run

    assert asyncio.run(wait()) == "value"
    assert run.done()
    assert run.exception() is None
    assert run.errors == []


def test_cancel_withdraws_the_tasks_that_have_not_begun(worker, gate):
    passes = worker.register(gate.task())
    run = worker.submit(lambda o: [o.submit_sub(passes) for _ in range(500)])
    run.cancel()
    gate.open()
    assert run.wait(10)
    ended = [task for task in run.result() if isinstance(task.exception(), CallringError)]
    assert len(ended) >= 490


def test_runs_of_several_threads_overlap_without_mixing(worker):
    identity = worker.register(lambda args: args.scalars[0])
    outcomes = {}

    def one(start):
        def orchestrate(o):
            return [o.submit_sub(identity, TaskArgs(scalars=[start + i])) for i in range(200)]

        outcomes[start] = [task.result() for task in worker.run(orchestrate)]

    threads = [threading.Thread(target=one, args=(1000 * i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {1000 * i: [1000 * i + k for k in range(200)] for i in range(6)}


def test_a_worker_without_sub_workers_refuses_python_callables():
    with Worker(chips=1) as chips_only, pytest.raises(ConfigurationError, match="sub_workers=0"):
        chips_only.register(lambda args: 1)


def test_spans_are_recorded_when_asked_for(chip):
    with Worker(chips=1, sub_workers=1, options=WorkerOptions(trace=True, cores_per_chip=2)) as traced:
        sleep, touch = traced.register(chip["sleep_ms"]), traced.register(lambda args: None)

        def orchestrate(o):
            o.submit_next_level(sleep, TaskArgs(scalars=[1]), worker=0)
            o.submit_sub(touch)

        traced.run(orchestrate)
        trace = traced.trace()
    assert {(s.kind, s.state, s.hashid) for s in trace.tasks} == {
        ("chip", "done", sleep.hashid),
        ("sub", "done", touch.hashid),
    }
    assert all(s.submit_ns <= s.begin_ns <= s.end_ns for s in trace.tasks)
    (launch,) = {(s.run, s.task) for s in trace.cores}
    assert launch in {(s.run, s.task) for s in trace.tasks if s.kind == "chip"}
    assert {s.core for s in trace.cores} <= {0, 1}


def test_a_glimpse_takes_no_span_from_the_trace_and_can_begin_after_an_earlier_one():
    with Worker(sub_workers=1, options=WorkerOptions(trace=True)) as traced:
        touch = traced.register(lambda args: None)
        assert traced.glimpse() == (0, 1, [], [])
        for _ in range(10):
            traced.run(lambda o: o.submit_sub(touch))
        whole, some, none = traced.glimpse(), traced.glimpse(since=4, most=2), traced.glimpse(since=10)
        trace = traced.trace()
        assert traced.glimpse(since=10).recorded == 0
    assert (whole.recorded, whole.step) == (10, 1)
    assert [s.run for s in whole.ended] == [s.run for s in trace.tasks]
    assert all(s.submit_ns <= s.begin_ns <= s.end_ns <= s.complete_ns and s.state == "done" for s in whole.ended)
    assert (some.step, [s.run for s in some.ended]) == (3, [whole.ended[6].run, whole.ended[9].run])
    assert (none.recorded, none.ended) == (10, [])


def test_a_glimpse_shows_the_running_task(tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with Worker(sub_workers=1, options=WorkerOptions(trace=True)) as traced:

        def wait(args):
            gate.read_bytes()

        handle = traced.register(wait)
        run = traced.submit(lambda o: o.submit_sub(handle))
        with gate.open("w"):  # opens when the task has opened the other end
            (task,) = traced.glimpse().begun
        run.result()
        assert traced.glimpse().begun == []
    assert (task.kind, task.worker, task.hashid, task.state) == ("sub", 0, handle.hashid, "running")
    assert 0 < task.submit_ns <= task.dispatch_ns
    assert task.begin_ns == task.end_ns == task.complete_ns == 0


def test_a_glimpse_needs_a_trace_and_no_negative_numbers():
    with Worker(sub_workers=1) as untraced:
        with pytest.raises(ConfigurationError, match="WorkerOptions"):
            untraced.glimpse()
    with Worker(sub_workers=1, options=WorkerOptions(trace=True)) as traced:
        with pytest.raises(ConfigurationError, match="since=-1"):
            traced.glimpse(since=-1)
