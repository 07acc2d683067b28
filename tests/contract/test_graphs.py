"""Captured graphs: recorded once, launched any number of times, with the same results as tasks submitted one by one."""

import os
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import ChipError, ConfigurationError, HandleStaleError, TaskSkipped
from runtime.errors.wording import kind_of
from tests.contract.conftest import wait_until
from tests.contract.meeting import hold_until_open

CHIPS = 2
ONE = CallConfig(block_count=1)


@pytest.fixture(scope="module")
def worker():
    with Worker(chips=CHIPS, sub_workers=2) as worker:
        yield worker


@pytest.fixture(scope="module")
def affine(worker, chip):
    return worker.register(chip["affine"])


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Replaces the check after each test: the module's worker lives on between tests."""


def step(tensor, factor, add):
    return TaskArgs((tensor, Tag.INOUT), scalars=[factor, add])


def test_a_graph_runs_no_task_until_it_is_launched_and_can_be_launched_any_number_of_times(worker, affine):
    x = worker.zeros(4, "float64")
    graph = worker.capture(
        lambda o: [o.submit_next_level(affine, step(x, 2, 1), ONE, worker=i % CHIPS) for i in range(3)]
    )
    assert (len(graph), graph.edges) == (3, 2)
    assert np.all(x.numpy() == 0)
    worker.launch(graph).result()
    assert np.all(x.numpy() == 7)
    x.numpy()[...] = 1
    worker.launch(graph).result()
    assert np.all(x.numpy() == 15)


def test_a_launch_takes_new_tensors_and_scalars(worker, affine):
    a, b = worker.zeros((2, 4), "float64"), worker.zeros((2, 4), "float64")

    def record(o):
        factor = o.scalar("factor", 3)
        o.submit_next_level(affine, TaskArgs((a[0], Tag.INOUT), scalars=[factor, 1]), ONE, worker=0)
        o.submit_next_level(affine, TaskArgs((a[1], Tag.INOUT), scalars=[1, factor]), ONE, worker=1)

    graph = worker.capture(record)
    assert graph.parameters == ("factor",)
    worker.launch(graph, tensors={a: b}, scalars={"factor": 5}).result()
    assert np.all(a.numpy() == 0)
    assert b.numpy().tolist() == [[1.0] * 4, [5.0] * 4]
    worker.launch(graph).result()
    assert a.numpy().tolist() == [[1.0] * 4, [3.0] * 4]


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        (lambda w, a, b: {a: w.zeros(3, "float64")}, "same dtype, shape and strides"),
        (lambda w, a, b: {a: w.zeros(4, "float32")}, "same dtype, shape and strides"),
        (lambda w, a, b: {w.zeros(4, "float64"): w.zeros(4, "float64")}, "no task of the graph uses"),
        (lambda w, a, b: {a: b}, "overlaps another tensor"),
        (lambda w, a, b: {a[:2]: w.zeros(2, "float64")}, "on both sides of the edge"),
    ],
)
def test_a_replacement_that_does_not_fit_is_refused(worker, affine, replace, message):
    a, b = worker.zeros(4, "float64"), worker.zeros(4, "float64")

    def record(o):
        o.submit_next_level(affine, step(a, 1, 1), ONE, worker=0)
        o.submit_next_level(affine, step(b, 1, 1), ONE, worker=0)

    graph = worker.capture(record)
    with pytest.raises(ConfigurationError, match=message):
        worker.launch(graph, tensors=replace(worker, a, b))
    assert np.all(a.numpy() == 0)


def test_an_unknown_parameter_is_refused_by_name(worker, affine):
    x = worker.zeros(4, "float64")
    graph = worker.capture(lambda o: o.submit_next_level(affine, step(x, o.scalar("gain", 2), 1), ONE, worker=0))
    with pytest.raises(ConfigurationError, match="no scalar parameter 'gian'; this graph has gain"):
        worker.launch(graph, scalars={"gian": 1})


@pytest.mark.parametrize(("name", "given"), [("tensors", 5), ("tensors", [1]), ("scalars", "gain"), ("scalars", 2.5)])
def test_replacements_that_are_no_mapping_are_refused_by_name(worker, affine, name, given):
    x = worker.zeros(4, "float64")
    graph = worker.capture(lambda o: o.submit_next_level(affine, step(x, o.scalar("gain", 2), 1), ONE, worker=0))
    with pytest.raises(TypeError, match=f"launch: {name} must be a mapping .*, not {kind_of(given)}"):
        worker.launch(graph, **{name: given})


def test_a_parameter_of_another_graph_is_refused(worker, affine):
    x, leaked = worker.zeros(4, "float64"), []
    worker.capture(lambda o: leaked.append(o.scalar("gain", 2)))
    with pytest.raises(ConfigurationError, match="belongs to another graph"):
        worker.capture(lambda o: o.submit_next_level(affine, step(x, leaked[0], 1), ONE, worker=0))


def test_a_task_of_a_graph_has_no_result_and_orders_only_its_graph(worker, affine):
    x, tasks = worker.zeros(4, "float64"), []
    worker.capture(lambda o: tasks.append(o.submit_next_level(affine, step(x, 1, 1), ONE, worker=0)))
    with pytest.raises(ConfigurationError, match="has no result"):
        tasks[0].result()
    with pytest.raises(ConfigurationError, match="not a task of the graph"):
        worker.capture(lambda o: o.submit_next_level(affine, step(x, 1, 1), ONE, worker=0, after=tasks))


def test_a_failed_task_of_a_launch_poisons_its_followers_and_no_other_tasks(worker, affine, chip):
    fails, x, y = worker.register(chip["fail_with"]), worker.zeros(4, "float64"), worker.zeros(4, "float64")

    def record(o):
        bad = o.submit_next_level(fails, TaskArgs(scalars=[7]), ONE, worker=0)
        after = o.submit_next_level(affine, step(x, 1, 1), ONE, worker=0, after=[bad])
        o.submit_next_level(affine, step(x, 1, 1), ONE, worker=1, after=[after])
        o.submit_next_level(affine, step(y, 1, 1), ONE, worker=0)

    run = worker.launch(worker.capture(record))
    with pytest.raises(ChipError):
        run.result()
    assert [type(error) for error in run.errors] == [ChipError, TaskSkipped, TaskSkipped]
    assert np.all(x.numpy() == 0)
    assert np.all(y.numpy() == 1)
    worker.unregister(fails)


def test_a_graph_whose_callable_was_unregistered_is_refused(worker, chip):
    handle, x = worker.register(chip["count"]), worker.zeros(1, "float64")
    graph = worker.capture(lambda o: o.submit_next_level(handle, TaskArgs((x, Tag.INOUT), scalars=[0]), ONE, worker=0))
    worker.launch(graph).result()
    worker.unregister(handle)
    with pytest.raises(HandleStaleError, match="capture the graph anew"):
        worker.launch(graph)


def test_groups_python_callables_and_allocated_tensors_are_recorded_as_well(worker, affine):
    total = worker.zeros(1, "float64")

    def summed(args):
        args[1][0] = args[0].sum()

    handle = worker.register(summed)

    def record(o):
        scratch = o.alloc((2, 4), "float64")
        o.submit_sub(worker_fill, TaskArgs((scratch, Tag.OUTPUT)))
        o.submit_next_level_group(affine, [step(scratch[0], 2, 0), step(scratch[1], 3, 0)], ONE, workers=[0, 1])
        o.submit_sub(handle, TaskArgs((scratch, Tag.INPUT), (total, Tag.OUTPUT)))

    worker_fill = worker.register(fill)
    graph = worker.capture(record)
    for _ in range(2):
        total.numpy()[0] = 0
        worker.launch(graph).result()
        assert total.numpy()[0] == 4 * 2 + 4 * 3


def fill(args):
    args[0][...] = 1


def test_a_launch_without_references_ends_with_a_task_that_cannot_be_dispatched_any_more(chip):
    # The end of that task, the last of the run, must not free the graph while the graph is traversed: a use after free,
    # which a sanitizer would find.
    with Worker(chips=1, sub_workers=2, options=WorkerOptions(max_restarts=0)) as worker:
        count, hold = worker.register(chip["count"]), worker.register(hold_until_open)
        fails = worker.register(lambda args: 1 / 0)
        x, gate = worker.zeros(1, "float64"), worker.zeros(1, "float64")

        def record(o):
            held = o.submit_sub(hold, TaskArgs((gate, Tag.NO_DEP)))
            failed = o.submit_sub(fails)
            o.submit_next_level(count, TaskArgs((x, Tag.INOUT), scalars=[0]), ONE, worker=0, after=[held])
            o.submit_sub(fails, after=[held, failed])

        graph = worker.capture(record)
        worker.launch(graph)
        del graph
        assert wait_until(lambda: worker.stats().skipped == 1)
        os.kill(worker.children[0].pid, signal.SIGKILL)
        assert wait_until(lambda: worker.children[0].state == "lost")
        gate.numpy()[0] = 1
        assert wait_until(lambda: worker.stats().pending == 0)
        stats = worker.stats()
        assert (stats.done, stats.failed, stats.skipped, stats.lost) == (1, 1, 1, 1)


def test_a_launch_can_be_cancelled(worker, chip):
    hold, gate = worker.register(chip["hold"]), worker.zeros(1, "float64")

    def record(o):
        for _ in range(50):
            o.submit_next_level(hold, TaskArgs((gate, Tag.NO_DEP)), ONE, worker=0)

    run = worker.launch(worker.capture(record))
    run.cancel()
    gate.numpy()[0] = 1
    assert run.wait(20)
    worker.unregister(hold)


def test_a_chain_longer_than_its_lane_runs_in_order(worker, affine):
    x = worker.zeros(1, "float64")
    count = 5_000

    def record(o):
        for _ in range(count):
            o.submit_next_level(affine, step(x, 1, 1), ONE, worker=0)

    graph = worker.capture(record)
    assert graph.edges == count - 1
    worker.launch(graph).result()
    assert x.numpy()[0] == count


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(0, CHIPS - 1), st.integers(0, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3)
        ),
        min_size=1,
        max_size=40,
    )
)
def test_a_launch_gives_the_same_results_as_the_same_submits(worker, affine, program):
    x = worker.zeros(8, "float64")
    expected = np.zeros(8)
    for _, begin, size, factor, add in program:
        expected[begin : begin + size] = expected[begin : begin + size] * factor + add

    def record(o):
        for where, begin, size, factor, add in program:
            o.submit_next_level(affine, step(x[begin : begin + size], factor, add), ONE, worker=where)

    worker.launch(worker.capture(record)).result()
    assert np.array_equal(x.numpy(), expected)


def test_launches_alternate_between_earlier_tensors_and_new_ones(worker, affine):
    a, one, other = (worker.zeros((2, 4), "float64") for _ in range(3))

    def record(o):
        o.submit_next_level(affine, step(a[0], 1, o.scalar("add", 1)), ONE, worker=0)
        o.submit_next_level(affine, step(a[1], 1, 10), ONE, worker=1)

    graph = worker.capture(record)
    for i in range(3):
        worker.launch(graph, tensors={a: one}).result()
        worker.launch(graph, tensors={a: other}, scalars={"add": 100}).result()
        worker.launch(graph, tensors={a: worker.zeros((2, 4), "float64")}, scalars={"add": i}).result()
    worker.launch(graph).result()
    assert [t.numpy()[:, 0].tolist() for t in (a, one, other)] == [[1, 10], [3, 30], [300, 30]]


def test_a_graph_that_was_launched_with_a_tensor_does_not_keep_its_memory(worker, affine):
    a = worker.zeros(4096, "float64")
    graph = worker.capture(lambda o: o.submit_next_level(affine, step(a, 1, 1), ONE, worker=0))
    worker.launch(graph).result()
    before = worker._session.pool.bytes_in_use
    worker.launch(graph, tensors={a: worker.zeros(4096, "float64")}).result()
    wait_until(lambda: worker._session.pool.bytes_in_use == before)


def test_a_tile_is_replaced_and_its_neighbours_stay(worker, affine):
    def two_tiles(matrix):
        return matrix[1:3, 0:4], matrix[1:3, 4:8]

    matrix, other = worker.zeros((4, 8), "float64"), worker.zeros((4, 8), "float64")
    (left, right), (replacement, _) = two_tiles(matrix), two_tiles(other)
    add_one = worker.register(_add_one)

    def record(o):
        o.submit_sub(add_one, TaskArgs((left, Tag.INOUT)))
        o.submit_sub(add_one, TaskArgs((right, Tag.INOUT)))

    worker.launch(worker.capture(record), tensors={left: replacement}).result()
    expected = np.zeros((2, 4, 8))
    expected[0, 1:3, 4:8] = expected[1, 1:3, 0:4] = 1
    np.testing.assert_array_equal(np.stack([matrix.numpy(), other.numpy()]), expected)
    worker.unregister(add_one)


def _add_one(args):
    args[0][...] += 1


@pytest.mark.parametrize("scalars", [2, 200])
def test_scalars_are_replaced_in_frames_in_spilled_arguments_and_in_groups(worker, scalars):
    taken = worker.zeros((3, scalars), "uint64")
    note = worker.register(_note_scalars)

    def record(o):
        last = o.scalar("last", 7)
        numbers = [*range(scalars - 1), last]
        o.submit_sub(note, TaskArgs((taken[0], Tag.OUTPUT), scalars=numbers))
        o.submit_sub_group(note, [TaskArgs((taken[i], Tag.OUTPUT), scalars=numbers) for i in (1, 2)])

    graph = worker.capture(record)
    for last in (5, 6):
        worker.launch(graph, scalars={"last": last}).result()
        assert taken.numpy().tolist() == [[*range(scalars - 1), last]] * 3
    worker.launch(graph).result()
    assert taken.numpy()[:, -1].tolist() == [7, 7, 7]
    worker.unregister(note)


def _note_scalars(args):
    args[0][:] = args.scalars


def test_no_task_is_recorded_once_the_graph_is_complete(worker, affine):
    x, leaked = worker.zeros(4, "float64"), []
    worker.capture(leaked.append)
    with pytest.raises(ConfigurationError, match="its graph is complete"):
        leaked[0].submit_next_level(affine, step(x, 1, 1), ONE, worker=0)


def test_a_task_follows_the_tasks_in_after_and_the_tasks_of_its_tensors_each_once(worker, affine):
    x = worker.zeros(4, "float64")

    def record(o):
        first = o.submit_next_level(affine, step(x, 1, 1), ONE, worker=0)
        second = o.submit_next_level(affine, step(worker.zeros(4, "float64"), 1, 1), ONE, worker=0)
        o.submit_next_level(affine, step(x, 1, 1), ONE, worker=0, after=[first, second, first])

    assert worker.capture(record).edges == 2


def test_many_tasks_are_recorded_in_one_call(worker, affine):
    x = worker.zeros((6, 4), "float64")

    def record(o):
        tasks = o.submit_many(affine, [step(x[i], 1, i) for i in range(6)], ONE, workers=[0, 1] * 3)
        assert [task.node for task in tasks] == list(range(6))

    worker.launch(worker.capture(record)).result()
    assert x.numpy()[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
