"""Every number that a user gives: wrong values are refused at once, with name and range."""

import math

import numpy as np
import pytest

from runtime import CallConfig, Executor, Tag, TaskArgs, Worker, WorkerOptions, _core
from runtime.errors import ConfigurationError
from runtime.numbers import integer, seconds, timeout
from runtime.tensors.tensor import empty, zeros
from runtime.virtual.chip_model import ChipModel, TaskCost
from runtime.virtual.virtual_time import compute

NO_NUMBER = [float("nan"), "1", b"1", None, [1], 1j]
NO_INTEGER = [*NO_NUMBER, float("inf"), -float("inf"), 1e300, 1.5, 1.0, True, np.bool_(True), np.float64(2.0), 2**70]
NO_DURATION = [*NO_NUMBER, float("inf"), -float("inf"), 1e300, 2**70, 10**400, True, np.bool_(True), -1, -0.5]
NO_TIMEOUT = ["1", b"1", [1], 1j, float("nan"), 1e300, 2**70, 10**400, True, np.bool_(True)]


def _option(name):
    return lambda value: WorkerOptions(**{name: value})


def _config(name):
    return lambda value: CallConfig(**{name: value})


def _worker(name, **others):
    return lambda value: Worker(**{**others, name: value})


def _model(name):
    return lambda value: ChipModel(**{"latency_ns": 1, "bandwidth": 1.0, "cores": 1, name: value})


POOL = _core.MemoryPool(1 << 16, 1 << 20)

# The name in the message, the entry, and values that are allowed there although they are no integers.
INTEGERS = [
    *(
        (name, _option(name), ())
        for name in ("arena_bytes", "memory_limit_bytes", "lane_capacity", "max_pending_tasks", "max_runs")
    ),
    ("max_callables", _option("max_callables"), ()),
    ("cores_per_chip", _option("cores_per_chip"), (None,)),
    ("max_restarts", _option("max_restarts"), (None, math.inf)),
    ("block_count", _config("block_count"), ()),
    ("retries", _config("retries"), ()),
    ("trace", _config("trace"), (None,)),
    ("chips", _worker("chips"), (None,)),
    ("device_ids", lambda value: Worker(device_ids=[value]), ()),
    ("sub_workers", _worker("sub_workers", chips=1), ()),
    ("level", _worker("level"), (2**70,)),
    ("latency_ns", _model("latency_ns"), ()),
    ("cores", _model("cores"), ()),
    ("dispatch_ns", lambda value: compute(_core.ModelledGraph(_core.CapturedGraph()), [], 0, value, []), ()),
    ("shape", lambda value: empty(POOL, (2, value), "uint8"), ()),
    ("shape", lambda value: zeros(POOL, value, "uint8"), ([1],)),
    ("retries", lambda value: Executor(1, retries=value), ()),
    ("max_workers", lambda value: Executor(max_workers=value), (None,)),
    ("max_workers", Executor, (None,)),
]
DURATIONS = [
    *((name, _option(name), ()) for name in ("start_timeout", "control_timeout", "submit_timeout", "restart_window")),
    ("close_timeout", _option("close_timeout"), ()),
    ("deadline", _config("deadline"), (None,)),
    ("deadline", lambda value: Executor(1, deadline=value), (None,)),
]
QUANTITIES = [
    ("bandwidth", _model("bandwidth")),
    ("core_ns", lambda value: TaskCost(core_ns=value)),
    ("core_ns_per_byte", lambda value: TaskCost(core_ns_per_byte=value)),
]


def _cases(entries, wrong):
    for name, entry, meaningful in entries:
        for value in wrong:
            if not any(value is known or (type(value) is type(known) and value == known) for known in meaningful):
                yield pytest.param(name, entry, value, id=f"{name}-{value!r:.20}")


@pytest.mark.parametrize(("name", "entry", "value"), list(_cases(INTEGERS, NO_INTEGER)))
def test_a_value_that_is_no_integer_of_the_range_is_refused_with_name_and_range(name, entry, value):
    with pytest.raises(ConfigurationError, match=rf"^{name}=.*: .*\d") as caught:
        entry(value)
    assert "incompatible function arguments" not in str(caught.value)


@pytest.mark.parametrize(("name", "entry", "value"), list(_cases(DURATIONS, NO_DURATION)))
def test_a_value_that_is_no_duration_is_refused_with_name_and_range(name, entry, value):
    with pytest.raises(ConfigurationError, match=rf"^{name}=.*: .* to 1e\+09 seconds"):
        entry(value)


@pytest.mark.parametrize(("name", "entry"), QUANTITIES)
@pytest.mark.parametrize("value", [*NO_NUMBER, float("inf"), 10**400, True, -1], ids=lambda value: f"{value!r:.20}")
def test_a_value_that_is_no_quantity_is_refused_with_its_name(name, entry, value):
    with pytest.raises(ConfigurationError, match=f"^{name}="):
        entry(value)


def test_numbers_of_numpy_are_numbers():
    options = WorkerOptions(max_runs=np.int64(3), control_timeout=np.float32(2.5))
    assert (options.max_runs, options.control_timeout) == (3, 2.5)
    assert integer("n", np.uint8(7), 0, 9) == 7
    assert seconds("s", np.int32(7)) == 7.0


def test_a_switch_is_true_or_false():
    for value in (1, 0, None, "yes", 2):
        with pytest.raises(ConfigurationError, match=r"trace=.*: True or False"):
            WorkerOptions(trace=value)


def test_a_timeout_is_none_or_a_number_of_seconds():
    assert timeout(None) is None
    assert timeout(math.inf) is None
    assert [timeout(value) for value in (0, 1, 2.5, np.float32(0.5), -3, -math.inf)] == [0, 1, 2.5, 0.5, 0, 0]
    for value in NO_TIMEOUT:
        with pytest.raises(ConfigurationError, match=r"^timeout=.*: up to 1e\+09 seconds, or None"):
            timeout(value)


def test_options_arguments_and_topologies_of_a_wrong_type_are_refused():
    with pytest.raises(TypeError, match="options must be a WorkerOptions, not an int"):
        Worker(chips=1, options=5)
    with pytest.raises(ConfigurationError, match="device_ids=5: a list of distinct integers"):
        Worker(device_ids=5)
    with pytest.raises(ConfigurationError, match="runtime=5: a name on one line"):
        Worker(chips=1, runtime=5)


@pytest.fixture(scope="module")
def worker():
    with Worker(chips=2, sub_workers=1) as made:
        yield made


def test_every_wait_refuses_a_value_that_is_no_timeout(worker):
    nothing = worker.register(lambda args: None)
    runs = []
    task = worker.run(lambda o: o.submit_sub(nothing))
    runs.append(worker.submit(lambda o: o.submit_sub(nothing)))
    waits = [task.wait, task.exception, task.result, runs[0].wait, runs[0].exception, runs[0].result]
    with Executor(worker) as executor:
        future = executor.submit(abs, -1)
        waits += [future.result, future.exception, lambda value: list(executor.map(abs, [1], timeout=value))]
        for wait in waits:
            for value in NO_TIMEOUT:
                with pytest.raises(ConfigurationError, match=r"^timeout="):
                    wait(value)
            wait(math.inf)
    assert task.wait(-1) is True


def test_a_child_is_named_by_an_integer(worker):
    nothing = worker.register(lambda args: None)
    for value in (True, False, 1.0, "1", None, float("nan"), [0], 2**70, -1, 2):
        for submit in (
            lambda o, value=value: o.submit_next_level(nothing, worker=value),
            lambda o, value=value: o.submit_next_level_group(nothing, [None], workers=[value]),
        ):
            with pytest.raises((ConfigurationError, TypeError)) as caught:
                worker.run(submit)
            assert "NAMESPACE" in str(caught.value) or "no such chip; this Worker has 0, 1" in str(caught.value)


def test_arguments_and_configs_of_a_task_of_a_wrong_type_are_refused(worker):
    nothing = worker.register(lambda args: None)
    with pytest.raises(TypeError, match="the arguments of a task are a TaskArgs, not an int"):
        worker.run(lambda o: o.submit_sub(nothing, 5))
    with pytest.raises(TypeError, match="config is a CallConfig, not an int"):
        worker.run(lambda o: o.submit_sub(nothing, None, 5))
    with pytest.raises(TypeError, match="launch takes a Graph, not an int"):
        worker.launch(5)
    x = worker.zeros(4)
    with pytest.raises(TypeError, match="TaskArgs takes"):
        worker.run(lambda o: o.submit_sub(nothing, TaskArgs(x)))
    assert worker.run(lambda o: o.submit_sub(nothing, TaskArgs((x, Tag.INPUT)))).result() is None
