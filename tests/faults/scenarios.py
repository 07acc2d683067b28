"""Scenarios for a Worker whose calls fail: each uses another part of the native core."""

from __future__ import annotations

import functools
import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime import CallConfig, Executor, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import ChipError, WorkerLost
from runtime.hosting import Cluster
from runtime.toolchain import build_chip_callable
from tests.contract.conftest import KERNELS, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime import ChipCallable
    from tests.faults.steps import Steps

MEBIBYTE = 1 << 20
OPTIONS = WorkerOptions(
    arena_bytes=1 << 16,
    lane_capacity=64,
    start_timeout=10,
    control_timeout=3,
    submit_timeout=10,
    close_timeout=5,
    max_restarts=4,
    trace=True,
)


@functools.cache
def kernels() -> dict[str, ChipCallable]:
    """The chip callables, compiled once for all scenarios of a process and its forks."""
    with tempfile.TemporaryDirectory() as folder:
        built = {}
        for name in ("add", "fail_with", "crash"):
            signature, body = KERNELS[name]
            source = Path(folder) / f"{name}.cpp"
            source.write_text(source_of(name, body, signature))
            built[name] = build_chip_callable(source, signature=signature, platform="a2a3sim")
    return built


# ---- tasks ----------------------------------------------------------------------------------------------------------


def _add(worker: Worker, add: Any, length: int = 64, launches: int = 0) -> list[float]:
    """Adds on chip 0, directly or ``launches`` times from a captured graph. Returns the last sums."""
    a, b = worker.share(np.arange(length, dtype="f8")), worker.share(np.ones(length))
    out, other = worker.zeros(length, "f8"), worker.zeros(length, "f8")

    def orchestrate(o):
        first = o.submit_next_level(add, TaskArgs((a, Tag.INPUT), (b, Tag.INPUT), (out, Tag.OUTPUT)), worker=0)
        o.submit_next_level(
            add, TaskArgs((out, Tag.INPUT), (b, Tag.INPUT), (other, Tag.OUTPUT)), worker=0, after=[first]
        )

    if not launches:
        worker.run(orchestrate)
        return list(other.numpy()[-3:])
    graph = worker.capture(orchestrate)
    last = worker.zeros(length, "f8")
    for _ in range(launches):
        worker.launch(graph, tensors={other: last}).result()
    return list(last.numpy()[-3:])


def _sums(length: int) -> list[float]:
    return [float(i + 2) for i in range(length - 3, length)]


def _add_on_both(worker: Worker, add: Any) -> list[float]:
    a, outs = worker.share(np.arange(8.0)), [worker.zeros(8, "f8") for _ in range(2)]
    args = [TaskArgs((a, Tag.INPUT), (a, Tag.INPUT), (out, Tag.OUTPUT)) for out in outs]
    worker.run(lambda o: o.submit_next_level_group(add, args, workers=[0, 1]) and None)
    return [float(out.numpy().sum()) for out in outs]


def _failing(worker: Worker, fail: Any) -> int:
    try:
        worker.run(lambda o: o.submit_next_level(fail, TaskArgs(scalars=[7]), worker=0) and None)
    except ChipError as error:
        return error.kernel_code
    return 0


def _crash(worker: Worker, crash: Any) -> str:
    x = worker.zeros(1, "f8")
    try:
        worker.run(lambda o: o.submit_next_level(crash, TaskArgs((x, Tag.INOUT)), worker=0) and None)
    except WorkerLost:
        return "lost"
    return "not lost"


def _wait_for_all(worker: Worker) -> bool:
    """Waits until every child is ready or given up. Returns whether that happened."""
    end = time.monotonic() + 20
    while any(child.state == "starting" for child in worker.children):
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def _sub(worker: Worker, handle: Any, *args: Any) -> Any:
    return worker.run(lambda o: o.submit_sub(handle, *args)).result()


def _total_of(worker: Worker, handle: Any, scalars: Iterable[int], *args: Any) -> Any:
    # Within the step: a fault may be in the memory of the arguments.
    return _sub(worker, handle, TaskArgs(scalars=scalars), *args)


def _group(worker: Worker, handle: Any) -> Any:
    return worker.run(lambda o: o.submit_sub_group(handle, [TaskArgs(scalars=[i]) for i in (1, 2)])).result()


def _hold_over_a_fork(worker: Worker, handle: Any, count: int) -> int:
    """The sum of a returned array that a forked process also holds."""
    array = _sub(worker, handle, TaskArgs(scalars=[count]))
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return int(array.sum())


def _kill(worker: Worker, kind: str) -> bool:
    child = next(child for child in worker.children if child.kind == kind)
    if child.pid > 0:
        os.kill(child.pid, signal.SIGKILL)
    return True


def _map(worker: Worker) -> list[Any]:
    with Executor(worker) as executor:
        return list(executor.map(divmod, range(20), [7] * 20))


# Lambdas are pickled by value: a child does not import this module.
_total = lambda args: sum(args.scalars)  # noqa: E731
_ones = lambda args: __import__("numpy").ones(args.scalars[0], "u1")  # noqa: E731
_raise = lambda args: 1 // 0  # noqa: E731


def _raised(worker: Worker, handle: Any) -> str:
    try:
        _sub(worker, handle)
    except ZeroDivisionError as error:
        return type(error).__name__
    return "nothing"


# ---- scenarios ------------------------------------------------------------------------------------------------------


def start(steps: Steps) -> None:
    """Chip and sub-workers start with callables that were registered before, and work once."""
    steps.control.arm()
    worker = steps.attempt("make", lambda: Worker(chips=1, sub_workers=2, options=OPTIONS))
    add = steps.attempt("register", lambda w: w.register(kernels()["add"]), worker)
    total = steps.attempt("register", lambda w: w.register(_total), worker)
    if steps.attempt("start", lambda w: w.init(), worker) is not None:
        steps.same("add", _add, worker, add, expected=_sums(64))
        steps.same("total", _total_of, worker, total, [1, 2], expected=3)
    steps.attempt("close", lambda w: w.close(), worker)


def chips(steps: Steps) -> None:
    """Two chips: runs, groups, graphs, new memory, failures, a crash, a replacement."""
    steps.control.arm()
    worker = steps.attempt("start", lambda: Worker(chips=2, options=OPTIONS).init())
    add = steps.attempt("register", lambda w: w.register(kernels()["add"]), worker)
    fail = steps.attempt("register", lambda w: w.register(kernels()["fail_with"]), worker)
    crash = steps.attempt("register", lambda w: w.register(kernels()["crash"]), worker)
    steps.same("add", _add, worker, add, expected=_sums(64))
    steps.same("add in new memory", _add, worker, add, 20_000, expected=_sums(20_000))
    steps.same("group", _add_on_both, worker, add, expected=[56.0, 56.0])
    steps.same("launch", _add, worker, add, 64, 2, expected=_sums(64))
    steps.same("fail", _failing, worker, fail, expected=7)
    steps.same("crash", _crash, worker, crash, expected="lost")
    steps.same("replacement", _wait_for_all, worker, expected=True)
    steps.same("add", _add, worker, add, expected=_sums(64))
    steps.attempt("unregister", lambda w, h: w.unregister(h), worker, fail)
    steps.attempt("trace", lambda w: w.trace(), worker)
    steps.attempt("stats", lambda w: w.stats(), worker)
    steps.attempt("close", lambda w: w.close(), worker)


def python(steps: Steps) -> None:
    """Two sub-workers: values of every size, groups, a fork, exceptions, an executor, replacements."""
    worker = steps.attempt("start", lambda: Worker(sub_workers=2, options=OPTIONS).init())
    steps.control.arm()
    ballast = bytes(200_000)
    total = steps.attempt("register", lambda w: w.register(_total), worker)
    ones = steps.attempt("register", lambda w: w.register(_ones), worker)
    fails = steps.attempt("register", lambda w: w.register(_raise), worker)
    large = steps.attempt("register", lambda w: w.register(lambda args: ballast), worker)
    steps.same("total", _total_of, worker, total, [1, 2], expected=3)
    steps.same("spilled", _total_of, worker, total, range(1000), expected=499_500)
    steps.same("group", _group, worker, total, expected=[1, 2])
    steps.same("large", _sub, worker, large, expected=ballast)
    for bytes_ in (20_000, 3 * MEBIBYTE, 40 * MEBIBYTE):
        steps.same(f"array of {bytes_}", _hold_over_a_fork, worker, ones, bytes_, expected=bytes_)
    steps.same("exception", _raised, worker, fails, expected="ZeroDivisionError")
    steps.same("executor", _map, worker, expected=[divmod(i, 7) for i in range(20)])
    steps.attempt("kill", _kill, worker, "sub")
    steps.same("replacement", _wait_for_all, worker, expected=True)
    steps.same("total", _total_of, worker, total, [1, 2], CallConfig(retries=1), expected=3)
    steps.attempt("unregister", lambda w, h: w.unregister(h), worker, large)
    steps.attempt("trace", lambda w: w.trace(), worker)
    steps.attempt("close", lambda w: w.close(), worker)


def nodes(steps: Steps) -> None:
    """A node of this machine with a chip: its start, a registration, a run on it."""
    _run_on_a_node(steps, None)


def hosted(steps: Steps) -> None:
    """The same with a node that an engine hosts: hosting server, gateway, far side."""
    _run_on_a_node(steps, Cluster(kind="fake"))


def _run_on_a_node(steps: Steps, on: Cluster | None) -> None:
    steps.control.arm()
    worker = steps.attempt("make", lambda: Worker(level=4, options=OPTIONS))
    below = replace(OPTIONS, trace=False)
    steps.attempt("add", lambda w: w.add_worker(Worker(chips=1, sub_workers=1, options=below), on=on), worker)
    if steps.attempt("start", lambda w: w.init(), worker) is not None:
        add = steps.attempt("register", lambda w: w.register(kernels()["add"]), worker)
        both = steps.attempt("register", lambda w, h: w.register(_with(h)), worker, add)
        steps.same("run", _on_node, worker, both, expected=[122.0, 124.0, 126.0])
    steps.attempt("close", lambda w: w.close(), worker)


def _with(add: Any) -> Any:
    def orchestrate(o, args):
        a, out = args[0], args[1]
        o.submit_next_level(add, TaskArgs((a, Tag.INPUT), (a, Tag.INPUT), (out, Tag.OUTPUT)), worker=0)

    return orchestrate


def _on_node(worker: Worker, both: Any) -> list[float]:
    a, out = worker.share(np.arange(64.0)), worker.zeros(64, "f8")
    args = TaskArgs((a, Tag.INPUT), (out, Tag.OUTPUT))
    worker.run(lambda o: o.submit_next_level(both, args, worker=0) and None)
    return list(out.numpy()[-3:])


SCENARIOS: dict[str, Callable[[Steps], None]] = {one.__name__: one for one in (start, python, nodes, hosted, chips)}


def again(steps: Steps) -> None:
    """After a fault: a new Worker in the same process works."""
    with Worker(chips=1, options=OPTIONS) as worker:
        steps.same("add again", _add, worker, worker.register(kernels()["add"]), expected=_sums(64))
