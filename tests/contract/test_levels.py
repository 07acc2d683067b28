"""Workers of Workers: nodes that host a Worker, and the guarantees of a whole tree."""

import contextlib
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from runtime import CallableHandle, CallConfig, Tag, TaskArgs, Worker, WorkerOptions, _core
from runtime.errors import (
    ChipError,
    ConfigurationError,
    HandleForeignError,
    HandleStaleError,
    NamespaceMismatchError,
    PartialFailureError,
    RegisterTombstoneError,
    StartError,
    WorkerClosed,
    WorkerLost,
)
from tests.contract.conftest import all_ready, descendants, stop, wait_until
from tests.patience import patience


def made(nodes=2, *, chips=1, sub_workers=1, subs_below=1, **options):
    """A Worker of nodes; not started."""
    worker = Worker(level=4, sub_workers=sub_workers, options=WorkerOptions(**options))
    for _ in range(nodes):
        worker.add_worker(Worker(chips=chips, sub_workers=subs_below, options=WorkerOptions(**options)))
    return worker


@pytest.fixture(scope="module")
def worker():
    with made(chips=2) as worker:
        yield worker


@pytest.fixture(scope="module")
def look(worker):
    """Returns a function: snapshots of the processes below a node, read by a task that the node runs."""
    handle = worker.register(lambda o: o.children)
    return lambda node: on_node(worker, handle, node=node)


def on_node(worker, handle, args=None, *, node=0, config=None):
    """Runs an orchestration function in a node. Returns its value."""
    return worker.run(lambda o: o.submit_next_level(handle, args, config, worker=node)).result()


def by_kind(children):
    return [(child.kind, child.id) for child in children]


# ---- running --------------------------------------------------------------------------------------------------------


def test_children_are_nodes_and_sub_workers_and_each_node_has_its_own(worker, look):
    assert by_kind(worker.children) == [("node", 0), ("node", 1), ("sub", 0)]
    for node in (0, 1):
        assert by_kind(look(node)) == [("chip", 0), ("chip", 1), ("sub", 0)]
        assert {child.state for child in look(node)} == {"ready"}
    pids = {child.pid for child in [*worker.children, *look(0), *look(1)]}
    assert pids <= descendants()
    assert len(pids) == 9


def test_a_node_runs_an_orchestration_function_with_its_own_worker_and_returns_its_value(worker):
    double = worker.register(lambda args: 2 * args.scalars[0])

    def both(o, args, config):
        tasks = [o.submit_sub(double, TaskArgs(scalars=[value])) for value in args.scalars]
        return [task.result() for task in tasks], config.block_count, os.getpid()

    handle = worker.register(both)
    for node in (0, 1):
        values, blocks, pid = on_node(
            worker, handle, TaskArgs(scalars=[3, 4]), node=node, config=CallConfig(block_count=5)
        )
        assert (values, blocks) == ([6, 8], 5)
        assert pid == worker.children[node].pid


def test_tensors_of_the_worker_above_are_used_below_without_a_copy(worker, chip):
    add = worker.register(chip["add"])

    def halves(o, args):
        a, b, out = args[0], args[1], args[2]
        for i, part in enumerate((slice(0, 500), slice(500, 1000))):
            o.submit_next_level(
                add, TaskArgs((a[part], Tag.INPUT), (b[part], Tag.INPUT), (out[part], Tag.OUTPUT)), worker=i
            )

    handle = worker.register(halves)
    a, b = worker.share(np.arange(1000.0)), worker.share(np.ones(1000))
    outs = [worker.zeros(1000, "float64") for _ in range(2)]

    def top(o):
        # The second node waits for the first: it reads bytes that the first writes.
        o.submit_next_level(handle, TaskArgs((a, Tag.INPUT), (b, Tag.INPUT), (outs[0], Tag.OUTPUT)), worker=0)
        o.submit_next_level(handle, TaskArgs((outs[0], Tag.INPUT), (b, Tag.INPUT), (outs[1], Tag.OUTPUT)), worker=1)

    worker.run(top)
    assert (outs[0].numpy() == np.arange(1000.0) + 1).all()
    assert (outs[1].numpy() == np.arange(1000.0) + 2).all()


def test_views_of_one_tensor_that_overlap_are_ordered_below_as_above(worker, chip):
    affine = worker.register(chip["affine"])

    def chain(o, args):
        whole, half = args[0], args[1]
        for i in range(20):
            for part, scalars in ((whole, [2, 1]), (half, [1, 3])):
                args = TaskArgs((part, Tag.INOUT), scalars=scalars)
                o.submit_next_level(affine, args, CallConfig(block_count=1), worker=i % 2)

    handle = worker.register(chain)
    cells = worker.zeros(8, "float64")
    expected = np.zeros(8)
    for _ in range(20):
        expected = expected * 2 + 1
        expected[::2] += 3
    worker.run(lambda o: o.submit_next_level(handle, TaskArgs((cells, Tag.INOUT), (cells[::2], Tag.INOUT)), worker=0))
    assert (cells.numpy() == expected).all()


def test_a_tensor_that_came_as_an_input_is_read_only_below(worker, chip):
    affine = worker.register(chip["affine"])

    def writes(o, args):
        with pytest.raises(ValueError, match="read-only"):
            args[0].numpy()[0] = 1
        o.submit_next_level(affine, TaskArgs((args[0][1:], Tag.INOUT), scalars=[1, 1]), worker=0)

    handle = worker.register(writes)
    cells = worker.zeros(4, "float64")
    with pytest.raises(TypeError, match="came from above as an INPUT"):
        worker.run(lambda o: o.submit_next_level(handle, TaskArgs((cells, Tag.INPUT)), worker=0))
    assert not cells.numpy().any()


def test_memory_that_is_added_later_reaches_every_level(chip):
    with made(1, arena_bytes=1 << 16) as worker:
        count = worker.register(chip["count"])
        handle = worker.register(
            lambda o, args: o.submit_next_level(count, TaskArgs((args[0], Tag.INOUT), scalars=[0]), worker=0) and None
        )
        tensors = [worker.zeros(4096, "float64") for _ in range(5)]  # each takes a new arena
        worker.run(
            lambda o: [o.submit_next_level(handle, TaskArgs((t, Tag.INOUT)), worker=0) for t in tensors] and None
        )
        assert [t.numpy()[0] for t in tensors] == [1] * 5


def test_an_exception_below_keeps_its_type_and_notes_where_it_was_raised(worker):
    def fails(args):
        raise LookupError("nothing there")

    below = worker.register(fails)
    handle = worker.register(lambda o: o.submit_sub(below).result())
    with pytest.raises(LookupError, match="nothing there") as caught:
        on_node(worker, handle, node=1)
    notes = "\n".join(caught.value.__notes__)
    assert "in sub-worker 0" in notes
    assert "in node 1" in notes
    assert "in fails" in str(caught.value.__cause__)


def test_a_kernel_that_fails_below_is_a_chip_error_above(worker, chip):
    fail = worker.register(chip["fail_with"])
    handle = worker.register(lambda o: o.submit_next_level(fail, TaskArgs(scalars=[7]), worker=1) and None)
    with pytest.raises(ChipError) as caught:
        on_node(worker, handle)
    assert (caught.value.kernel_code, caught.value.hashid) == (7, fail.hashid)


def test_a_failed_node_task_poisons_its_dependents_and_no_other_tasks(worker):
    def fails(o, args):
        raise ValueError("early")

    fails, fills = worker.register(fails), worker.register(lambda o, args: args[0].numpy().fill(1))
    cells = worker.zeros((3, 4), "float64")

    def top(o):
        for i, handle in enumerate((fails, fills, fills)):
            o.submit_next_level(handle, TaskArgs((cells[min(i, 1)], Tag.INOUT)), worker=0)
        o.submit_next_level(fills, TaskArgs((cells[0], Tag.INOUT)), worker=0)

    run = worker.submit(top)
    assert isinstance(run.exception(), ValueError)
    assert [type(error).__name__ for error in run.errors] == ["ValueError", "TaskSkipped"]
    assert cells.numpy().tolist() == [[0] * 4, [1] * 4, [0] * 4]


def test_levels_nest(chip):
    top = Worker(level=5)
    for _ in range(2):
        middle = Worker(level=4, sub_workers=1)
        middle.add_worker(Worker(chips=1))
        assert top.add_worker(middle) in (0, 1)
    with top:
        count = top.register(chip["count"])
        bottom = top.register(
            lambda o, args: o.submit_next_level(count, TaskArgs((args[0], Tag.INOUT), scalars=[0]), worker=0) and None
        )
        double = top.register(lambda args: 2 * args.scalars[0])

        def between(o, args):
            o.submit_next_level(bottom, TaskArgs((args[0], Tag.INOUT)), worker=0)
            return o.submit_sub(double, TaskArgs(scalars=[21])).result()

        handle = top.register(between)
        cells = top.zeros((2, 4), "float64")
        run = top.submit(
            lambda o: [o.submit_next_level(handle, TaskArgs((cells[i], Tag.INOUT)), worker=i) for i in range(2)]
        )
        assert [task.result() for task in run.result()] == [42, 42]
        assert cells.numpy()[:, 0].tolist() == [1, 1]


# ---- handles --------------------------------------------------------------------------------------------------------


def test_a_captured_handle_names_the_same_identity_wherever_it_arrives(worker, chip):
    add = worker.register(chip["add"])

    def names(args):
        return add.hashid, add.kind, add.target_namespace, repr(add)

    here = (add.hashid, add.kind, add.target_namespace, repr(add))
    in_sub, in_node = worker.register(names), worker.register(lambda o: names(None))
    assert worker.run(lambda o: o.submit_sub(in_sub)).result() == here
    assert on_node(worker, in_node) == here


def test_a_handle_made_from_its_public_fields_is_refused_below_as_above(worker):
    one = worker.register(lambda args: 1)
    fields = (one.hashid, one.kind, one.target_namespace)

    def forge(o):
        o.submit_sub(CallableHandle(*fields))

    with pytest.raises(HandleForeignError):
        worker.run(forge)
    forge = worker.register(forge)
    with pytest.raises(HandleForeignError):
        on_node(worker, forge)


def test_a_handle_that_came_back_from_below_is_foreign_here(worker):
    one = worker.register(lambda args: 1)
    back = on_node(worker, worker.register(lambda o: one))
    assert (back.hashid, back != one) == (one.hashid, True)
    with pytest.raises(HandleForeignError):
        worker.run(lambda o: o.submit_sub(back))


def test_the_handle_of_another_worker_is_foreign_below_even_if_both_registered_the_same(worker):
    target = pickle.loads  # the same bytes in both
    here = worker.register(target)
    with Worker(sub_workers=1) as other:
        elsewhere = other.register(target)
        assert elsewhere.hashid == here.hashid
        handle = worker.register(lambda o: o.submit_sub(elsewhere))
        with pytest.raises(HandleForeignError):
            on_node(worker, handle)


def test_a_captured_handle_is_stale_below_once_the_callable_was_unregistered(worker):
    first, second = worker.register(len), worker.register(len)
    uses_first = worker.register(lambda o: o.submit_sub(first).result())
    worker.unregister(second)
    assert on_node(worker, uses_first) == 0  # len() of the task's arguments
    worker.unregister(first)
    with pytest.raises(HandleStaleError, match="above"):
        on_node(worker, uses_first)


def test_a_captured_handle_of_another_namespace_is_refused_below(worker, chip):
    add = worker.register(chip["add"])
    handle = worker.register(lambda o: o.submit_sub(add))
    with pytest.raises(NamespaceMismatchError, match="LOCAL_PYTHON"):
        on_node(worker, handle)
    with pytest.raises(NamespaceMismatchError, match="LOCAL_PYTHON"):
        worker.run(lambda o: o.submit_next_level(add, worker=0))


# ---- registration ---------------------------------------------------------------------------------------------------


def installed_below(children, handle):
    return [child.installed.get(handle.hashid, 0) for child in children]


def test_every_registration_reaches_the_whole_tree_before_and_after_the_start(chip):
    worker = made(2)
    early = [worker.register(chip["add"]), worker.register(abs), worker.register(chip["add"])]
    look = worker.register(lambda o: o.children)
    with worker:
        late = [worker.register(chip["count"]), worker.register(len)]
        below = [on_node(worker, look, node=node) for node in (0, 1)]
        for handle, count in [(early[0], 2), (early[1], 1), (late[0], 1), (late[1], 1)]:
            is_chip = handle.target_namespace == "LOCAL_CHIP"
            assert installed_below(worker.children, handle) == [count, count, 0 if is_chip else count]
            for children in below:
                # A node inherits an identity once, however often it is registered above.
                assert installed_below(children, handle) == ([1, 0] if is_chip else [0, 1])
        for handle in (early[0], *late):
            worker.unregister(handle)
        below = on_node(worker, look)
        assert installed_below(below, early[0]) == [1, 0]
        worker.unregister(early[2])
        below = on_node(worker, look)
        for handle in (early[0], *late):
            assert installed_below(worker.children, handle) == [0, 0, 0]
            assert installed_below(below, handle) == [0, 0]
        assert installed_below(below, early[1]) == [0, 1]


class RefusedBy:
    """Unpickles everywhere but in the processes whose pids are listed in a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return refuse_in, (self.path,)

    def __call__(self, args):
        return None


def refuse_in(path):
    if str(os.getpid()) in Path(path).read_text().split():
        raise RuntimeError("not here")
    return one


def one(args):
    return 1


def test_a_registration_refused_at_the_bottom_is_undone_everywhere_and_the_error_has_all_answers(
    worker, look, tmp_path
):
    path = tmp_path / "pids"
    path.write_text(str(look(1)[2].pid))
    with pytest.raises(PartialFailureError, match=r"node 1 / sub-worker 0: prepare_failed.*not here") as caught:
        worker.register(RefusedBy(str(path)))
    results = caught.value.results
    assert results.keys() == {"node 0", "node 1", "node 1 / sub-worker 0", "sub-worker 0"}
    assert results["node 0"] == results["sub-worker 0"] == "ok"
    assert results["node 1"] == "partial_failure: sub-worker 0"
    hashid = caught.value.hashid
    assert wait_until(lambda: all(hashid not in c.installed for c in [*worker.children, *look(0), *look(1)]))
    path.write_text("")
    handle = worker.register(RefusedBy(str(path)))
    assert handle.hashid == hashid
    on_both = worker.register(lambda o: o.submit_sub(handle).result())
    assert [on_node(worker, on_both, node=node) for node in (0, 1)] == [1, 1]


def test_a_node_that_refuses_leaves_nothing_installed_below_it(worker, look, tmp_path):
    path = tmp_path / "pids"
    path.write_text(str(worker.children[0].pid))
    with pytest.raises(PartialFailureError, match="node 0: prepare_failed") as caught:
        worker.register(RefusedBy(str(path)))
    assert caught.value.results["node 1"] == "ok"
    hashid = caught.value.hashid
    assert wait_until(lambda: all(hashid not in c.installed for c in [*worker.children, *look(0), *look(1)]))


def test_a_callable_that_is_refused_below_fails_the_start_and_leaves_nothing(tmp_path):
    before = descendants()
    worker = made(1, sub_workers=0, chips=0)
    worker.register(Once(str(tmp_path / "once")))
    with pytest.raises(PartialFailureError, match=r"node 0 / sub-worker 0: prepare_failed.*only once"):
        worker.init()
    assert wait_until(lambda: not descendants() - before)


class Once:
    """Unpickles in one process only."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return only_once, (self.path,)

    def __call__(self, args):
        return None


def only_once(path):
    with contextlib.suppress(FileExistsError):
        Path(path).touch(exist_ok=False)
        return one
    raise RuntimeError("only once")


def test_registration_succeeds_while_every_process_of_the_tree_is_busy(worker, chip, tmp_path):
    released = str(tmp_path / "released")

    def wait(args):
        while not Path(released).exists():
            time.sleep(0.01)

    waits, sleep = worker.register(wait), worker.register(chip["sleep_ms"])

    def busy(o):
        o.submit_sub(waits)
        for i in range(2):
            o.submit_next_level(sleep, TaskArgs(scalars=[500]), worker=i)
        wait(None)

    busy = worker.register(busy)
    run = worker.submit(lambda o: [o.submit_next_level(busy, worker=i) for i in range(2)] and None)
    for handle in [worker.register(chip["add"]), worker.register(one)]:
        worker.unregister(handle)
    assert not run.done()
    Path(released).touch()
    run.result()


def test_unregistering_never_breaks_tasks_that_were_accepted_below(worker, tmp_path):
    begun, released = str(tmp_path / "begun"), str(tmp_path / "released")

    def slow(args):
        Path(begun).touch()
        while not Path(released).exists():
            time.sleep(0.01)
        return 1

    function, slow = slow, worker.register(slow)
    handle = worker.register(lambda o: [t.result() for t in [o.submit_sub(slow) for _ in range(3)]])
    run = worker.submit(lambda o: o.submit_next_level(handle, worker=0))
    assert wait_until(lambda: Path(begun).exists())
    worker.unregister(slow)
    with pytest.raises(RegisterTombstoneError, match=r"tasks in node 0 .* have not ended"):
        worker.register(function)
    Path(released).touch()
    assert run.result().result() == [1, 1, 1]
    again = []

    def registered():
        with contextlib.suppress(RegisterTombstoneError):
            again.append(worker.register(function))
        return again

    assert wait_until(registered)  # the node completes the removal after its last task
    assert worker.run(lambda o: o.submit_sub(again[0])).result() == 1


# ---- life -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Worker(level=4, chips=1), "chips=1"),
        (lambda: Worker(level=4, device_ids=[0]), r"device_ids=\[0\]"),
        (lambda: Worker(level=1), "level=1"),
        (lambda: Worker(level=4, sub_workers=-1), "sub_workers=-1"),
        (lambda: Worker(level=4).init(), "no node was added"),
        (lambda: Worker(level=4, sub_workers=1).init(), "no node was added"),
        (lambda: Worker(level=3, chips=1).add_worker(Worker(level=2)), "add_worker: a level 3"),
        (lambda: Worker(level=4).add_worker(Worker(level=2)), "child: .*level 2"),
        (lambda: Worker(level=4).add_worker(Worker(level=4)), "child: .*level 4"),
        (lambda: Worker(level=5).add_worker(Worker(level=4)), "no node was added"),
        (lambda: Worker(level=4).add_worker(Worker(chips=1, platform="a5sim")), "child: its platform is 'a5sim'"),
        (lambda: Worker(level=4).add_worker(Worker(chips=1, runtime="other")), "child: its runtime is 'other'"),
        (lambda: Worker(level=4).add_worker(Worker(chips=1, options=WorkerOptions(trace=True))), "child: .*trace"),
    ],
)
def test_an_impossible_tree_is_refused_before_anything_starts(make, message):
    before = descendants()
    with pytest.raises(ConfigurationError, match=message):
        make()
    assert descendants() == before


def test_a_worker_cannot_be_below_itself():
    worker = Worker(level=4)
    with pytest.raises(ConfigurationError, match="child"):
        worker.add_worker(worker)


def test_only_a_worker_can_be_added():
    with pytest.raises(TypeError, match="int"):
        Worker(level=4).add_worker(3)


def test_a_child_is_added_once_and_cannot_be_used_by_itself_afterwards():
    worker, child = Worker(level=4), Worker(chips=1)
    assert worker.add_worker(child) == 0
    assert worker.add_worker(Worker(chips=2)) == 1
    for parent in (worker, Worker(level=4)):
        with pytest.raises(ConfigurationError, match=r"child: .*added to a Worker already"):
            parent.add_worker(child)
    for use in (child.init, lambda: child.register(len), lambda: child.zeros(3), lambda: child.run(lambda o: None)):
        with pytest.raises(ConfigurationError, match="was added to a Worker"):
            use()
    assert child.close() == []
    assert [len(node.chip_ids) for node in worker.topology.nodes] == [1, 2]
    worker.close()


def test_a_task_for_sub_workers_is_refused_if_only_nodes_have_some(chip):
    with made(1, sub_workers=0, chips=0, subs_below=1) as worker:
        handle = worker.register(len)
        with pytest.raises(ConfigurationError, match=r"no sub-workers \(sub_workers=0\)"):
            worker.run(lambda o: o.submit_sub(handle))


def test_a_child_that_was_started_or_closed_or_used_is_refused():
    worker = Worker(level=4)
    started, closed, registered, shared = (
        Worker(chips=1).init(),
        Worker(chips=1),
        Worker(sub_workers=1),
        Worker(chips=1),
    )
    closed.close()
    registered.register(len)
    tensor = shared.zeros(3)
    for child, why in [(started, "started"), (closed, "closed"), (registered, "callables"), (shared, "tensors")]:
        with pytest.raises(ConfigurationError, match=f"child: .*{why}"):
            worker.add_worker(child)
    assert started.run(lambda o: 1) == 1
    del tensor
    started.close()


def test_nothing_is_added_to_a_worker_that_is_started(worker):
    with pytest.raises(ConfigurationError, match=r"before init\(\)"):
        worker.add_worker(Worker(chips=1))
    closed = Worker(level=4)
    closed.close()
    with pytest.raises(ConfigurationError):
        closed.add_worker(Worker(chips=1))
    with pytest.raises(WorkerClosed):
        closed.register(len)


def test_a_callable_that_no_child_in_the_tree_could_run_is_refused_at_the_start(chip):
    worker = made(1, chips=0, sub_workers=0)
    worker.register(chip["add"])
    with pytest.raises(ConfigurationError, match="register: a chip callable, but this Worker has no chips"):
        worker.init()
    worker.close()


def test_a_callable_registered_before_the_nodes_were_added_is_installed_in_them(chip):
    worker = Worker(level=4)
    handles = [worker.register(chip["add"]), worker.register(lambda o: o.children)]
    worker.unregister(worker.register(chip["count"]))
    worker.add_worker(Worker(chips=1))
    with worker:
        assert worker.children[0].installed == {handle.hashid: 1 for handle in handles}
        assert [child.installed for child in on_node(worker, handles[1])] == [{handles[0].hashid: 1}]
        with pytest.raises(ConfigurationError, match="no more nodes"):
            worker.add_worker(Worker(chips=1))


def test_a_callable_released_before_the_start_needs_no_child_that_could_run_it(chip):
    worker = made(1, chips=0, sub_workers=0)
    worker.unregister(worker.register(chip["add"]))
    with worker:
        with pytest.raises(ConfigurationError, match="no chips"):
            worker.register(chip["add"])


def test_an_unknown_node_is_named(worker):
    handle = worker.register(lambda o: None)
    with pytest.raises(ConfigurationError, match="worker=2: no such node; this Worker has 0, 1"):
        worker.run(lambda o: o.submit_next_level(handle, worker=2))


def test_a_start_that_fails_at_the_bottom_raises_the_first_cause_and_leaves_nothing():
    before = descendants()
    worker = Worker(level=5)
    middle = Worker(level=4)
    middle.add_worker(Worker(chips=1, options=WorkerOptions(max_callables=1)))
    worker.add_worker(middle)
    worker.register(len)
    worker.register(abs)
    with pytest.raises(PartialFailureError, match="node 0 / node 0: slot_exhausted"):
        worker.init()
    assert wait_until(lambda: not descendants() - before)


def test_the_whole_tree_starts_under_one_deadline():
    before = descendants()
    with pytest.raises(StartError, match="in time"):
        made(2, start_timeout=0.05).init()
    assert wait_until(lambda: not descendants() - before)


LATE = """
from runtime import Worker, WorkerOptions
worker = Worker(level=4, options=WorkerOptions(start_timeout={start_timeout}))
worker.add_worker(Worker(chips=1))
worker.init()
"""


def test_a_process_that_is_late_at_the_bottom_is_named(tmp_path):
    core = Path(_core.__file__)
    (tmp_path / core.name).symlink_to(core)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "callring-start").symlink_to(core.parent / "bin" / "callring-start")
    silent = tmp_path / "bin" / "callring-chip"
    silent.write_text("#!/bin/sh\nexec cat <&3 >/dev/null\n")  # never answers, and ends with its parent
    silent.chmod(0o755)
    environment = {**os.environ, "CALLRING_CORE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", LATE.replace("{start_timeout}", str(patience(5)))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience(60), check=False)
    assert "StartError: node 0: chip 0 was not ready in time" in done.stderr


def test_close_ends_the_whole_tree_and_is_safe_to_repeat():
    before = descendants()
    worker = made(2).init()
    assert len(descendants() - before) >= 10
    assert worker.close() == []
    assert {child.state for child in worker.children} == {"closed"}
    assert wait_until(lambda: not descendants() - before)
    assert worker.close() == []


def test_close_is_bounded_when_a_process_at_the_bottom_has_stopped():
    before = descendants()
    worker = made(1, close_timeout=0.5).init()
    chip = on_node(worker, worker.register(lambda o: o.children))[0]
    stop(chip.pid)
    worker.close()
    assert wait_until(lambda: not descendants() - before)


def test_a_killed_node_ends_its_children_and_is_replaced_with_all_its_callables(chip):
    with made(2) as worker:
        handles = [worker.register(chip["count"]), worker.register(abs)]
        look = worker.register(lambda o: o.children)
        cells = worker.zeros(4, "float64")
        count = worker.register(
            lambda o, args: (
                o.submit_next_level(handles[0], TaskArgs((args[0], Tag.INOUT), scalars=[0]), worker=0) and None
            )
        )

        def never_ends(o, args):
            args[0].numpy()[0] = 1
            time.sleep(60)

        nap, begun = worker.register(never_ends), worker.zeros(1, "float64")
        inner = [on_node(worker, look, node=node) for node in (0, 1)]
        run = worker.submit(
            lambda o: (
                o.submit_next_level(nap, TaskArgs((begun, Tag.INOUT)), worker=0),
                o.submit_next_level(count, TaskArgs((cells, Tag.INOUT)), worker=0),
                o.submit_next_level(count, TaskArgs((cells, Tag.INOUT)), worker=1),
            )
        )
        before = worker.children
        assert wait_until(lambda: begun.numpy()[0] == 1)
        os.kill(before[0].pid, signal.SIGKILL)
        lost, *others = run._value
        with pytest.raises(WorkerLost, match="node 0"):
            lost.result()
        for task in others:
            task.result()
        assert cells.numpy()[0] == 2
        assert all_ready(worker)
        assert not {child.pid for child in inner[0]} & descendants()
        assert {child.pid for child in inner[1]} <= descendants()
        after = worker.children
        assert [child.incarnation for child in after] == [2, 1, 1]
        assert after[0].installed == before[0].installed
        again = on_node(worker, look)
        assert by_kind(again) == by_kind(inner[0])
        assert [child.installed for child in again] == [child.installed for child in inner[0]]


def test_a_chip_that_dies_below_fails_its_own_task_and_is_replaced_by_its_node(chip):
    with made(1, chips=2, sub_workers=0, subs_below=0) as worker:
        crash, look = worker.register(chip["segfault"]), worker.register(lambda o: o.children)
        handle = worker.register(lambda o: o.submit_next_level(crash, TaskArgs(scalars=[8]), worker=1) and None)
        with pytest.raises(WorkerLost, match="chip 1") as caught:
            on_node(worker, handle)
        assert caught.value.signal == signal.SIGSEGV
        assert wait_until(lambda: [child.incarnation for child in on_node(worker, look)] == [1, 2], 30)
        assert wait_until(lambda: on_node(worker, look)[1].state == "ready", 30)
        assert worker.children[0].incarnation == 1


PARENT = """
import time
from runtime import Worker
top = Worker(level=5)
middle = Worker(level=4, sub_workers=1)
middle.add_worker(Worker(chips=2, sub_workers=1))
top.add_worker(middle)
top.init()
nap = top.register(lambda args: time.sleep(60))
inner = top.register(lambda o: [o.submit_sub(nap)] and None)
outer = top.register(lambda o: (o.submit_next_level(inner, worker=0), o.submit_sub(nap)) and None)
run = top.submit(lambda o: [o.submit_next_level(outer, worker=0)] and None)
print("running", flush=True)
run.result()
"""


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_the_whole_tree_ends_with_a_parent_that_is_killed(signal_number):
    before = descendants()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with parent:
        assert parent.stdout.readline() == "running\n"
        tree = descendants() - before - {parent.pid}
        assert len(tree) == 9  # three fork servers, two nodes, two sub-workers, two chips
        parent.send_signal(signal_number)
        parent.wait(timeout=patience(20))

    def gone(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    assert wait_until(lambda: all(map(gone, tree)))


def test_a_node_that_stops_answering_fails_no_registration_and_its_replacement_installs_the_callable():
    with made(2, control_timeout=patience(0.5), chips=0) as worker:
        stop(worker.children[0].pid)
        handle = worker.register(abs)
        assert wait_until(lambda: worker.children[0].incarnation == 2, 30)
        assert all_ready(worker)
        assert installed_below(worker.children, handle) == [1, 1, 1]


def test_a_process_at_the_bottom_that_stops_answering_fails_no_registration_and_is_replaced_by_its_node():
    with made(1, control_timeout=patience(0.5), chips=0) as worker:
        look = worker.register(lambda o: o.children)
        stop(on_node(worker, look)[0].pid)
        handle = worker.register(abs)
        assert wait_until(lambda: on_node(worker, look)[0].incarnation == 2, 30)
        assert wait_until(lambda: on_node(worker, look)[0].state == "ready", 30)
        assert worker.children[0].incarnation == 1
        assert on_node(worker, look)[0].installed[handle.hashid] == 1


def test_a_node_and_a_process_below_another_killed_in_the_middle_of_registrations_fail_none_of_them():
    with made(2, chips=0, max_restarts=100) as worker:
        look = worker.register(lambda o: o.children)
        patient = CallConfig(retries=5)
        held = []
        for i in range(12):
            below = worker.run(lambda o: o.submit_next_level(look, config=patient, worker=1)).result()
            for pid in (worker.children[0].pid, below[0].pid):
                if pid > 0:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            held.append(worker.register(lambda args, i=i: i))
            if i % 2:
                worker.unregister(held.pop(0))
        assert all_ready(worker)
        for handle in held:
            assert wait_until(lambda h=handle: installed_below(worker.children, h) == [1, 1, 1], 30)


def test_after_any_registrations_removals_and_deaths_all_levels_agree(chip):
    rng = random.Random(20)
    targets = [chip["add"], chip["count"], abs, len, one]
    patient = CallConfig(retries=5)
    handles = []
    with made(2, max_restarts=50) as worker:
        look = worker.register(lambda o: o.children)

        def below(node):
            return worker.run(lambda o: o.submit_next_level(look, config=patient, worker=node)).result()

        for _ in range(60):
            action = rng.choice(["register", "register", "unregister", "run", "kill"])
            if action == "register":
                # Tasks that were accepted may delay the end of a removal below.
                with contextlib.suppress(RegisterTombstoneError):
                    handles.append(worker.register(rng.choice(targets)))
            elif action == "unregister" and handles:
                worker.unregister(handles.pop(rng.randrange(len(handles))))
            elif action == "run":
                assert below(rng.randrange(2))
            elif action == "kill" and rng.random() < 0.4:
                children = rng.choice([worker.children, below(0), below(1)])
                pid = rng.choice(children).pid
                if pid > 0:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        assert all_ready(worker)
        counts = Counter({look.hashid: 1}) + Counter(handle.hashid for handle in handles)
        of_chips = {handle.hashid for handle in handles if handle.target_namespace == "LOCAL_CHIP"}
        here = {"node": dict(counts), "sub": {h: n for h, n in counts.items() if h not in of_chips}}
        assert wait_until(lambda: [c.installed for c in worker.children] == [here[c.kind] for c in worker.children], 30)
        there = {"chip": dict.fromkeys(of_chips, 1), "sub": dict.fromkeys(counts.keys() - of_chips, 1)}
        for node in (0, 1):
            assert wait_until(lambda node=node: {child.state for child in below(node)} == {"ready"}, 30)
            settled = [there[child.kind] for child in below(node)]
            assert wait_until(lambda n=node, s=settled: [child.installed for child in below(n)] == s, 30)


# ---- checks of a node -----------------------------------------------------------------------------------------------


def test_a_node_refuses_a_chip_callable_that_does_not_hash_to_its_hashid(worker, chip):
    engine, blob = worker._session.engine, chip["add"].blob
    wrong = bytes(32)
    for payload in (blob, blob[:-1], b"nothing"):
        _, outcome, results = engine.register_callable(wrong, 1, "chip", "wrong", b"descriptor", payload)
        assert outcome == _core.CODES["partial_failure"]
        assert {child for child, *_ in results} == {"node 0", "node 1"}
        assert all(code != _core.CODES["ok"] for _, code, *_ in results)
    assert all(f"sha256:{wrong.hex()}" not in child.installed for child in worker.children)
