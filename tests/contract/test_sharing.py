"""Sub-workers share tasks that any of them may run: while one idles, no task waits needlessly behind another."""

import random
import time

import pytest

from runtime import Tag, TaskArgs, Worker
from runtime.errors import ConfigurationError
from tests.contract.meeting import hold_until_open, meet, members
from tests.patience import patience


def nothing(args):
    return None


@pytest.fixture(scope="module")
def worker():
    with Worker(sub_workers=4) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Replaces the check after each test: the module's worker lives on between tests."""


@pytest.fixture(scope="module")
def handles(worker):
    return {function.__name__: worker.register(function) for function in (meet, hold_until_open, nothing)}


def fan(o, handles, flags, gate):
    """Four tasks that wait for each other, after one that ends when the gate is open."""
    first = o.submit_sub(handles["hold_until_open"], TaskArgs((gate, Tag.NO_DEP)))
    for args in members(flags, 4):
        o.submit_sub(handles["meet"], args, after=[first])


def test_the_followers_of_one_task_run_at_the_same_time(worker, handles):
    flags, gate = worker.zeros(4, "int64"), worker.zeros(1, "int64")
    run = worker.submit(lambda o: fan(o, handles, flags, gate))
    gate.numpy()[0] = 1
    run.result()
    assert flags.numpy().all()


def test_the_followers_of_one_task_of_a_captured_graph_run_at_the_same_time(worker, handles):
    flags, gate = worker.zeros(4, "int64"), worker.zeros(1, "int64")
    graph = worker.capture(lambda o: fan(o, handles, flags, gate))
    run = worker.launch(graph)
    gate.numpy()[0] = 1
    run.result()
    assert flags.numpy().all()


def test_an_idle_sub_worker_takes_single_tasks_and_whole_chains_from_behind_long_ones(worker, handles):
    gates = worker.zeros(4, "int64")

    def orchestrate(o):
        held = [o.submit_sub(handles["hold_until_open"], TaskArgs((gates[i : i + 1], Tag.NO_DEP))) for i in range(4)]
        short = [o.submit_sub(handles["nothing"]) for _ in range(40)]
        chains = [o.submit_sub(handles["nothing"]) for _ in range(8)]
        for _ in range(3):
            chains = [o.submit_sub(handles["nothing"], after=[last]) for last in chains]
        gates.numpy()[0] = 1
        for task in [*short, *chains]:
            task.result(timeout=patience(10))
        assert sum(task.done() for task in held) == 1
        gates.numpy()[:] = 1
        return len(short)

    assert worker.run(orchestrate) == 40


def visit(args):
    """Marks its flag after a pause; its predecessors must be marked. args: flags, own index, microseconds, others."""
    flags, [mine, pause, *earlier] = args[0], args.scalars
    assert all(flags[i] for i in earlier), f"{mine} ran before one of {earlier}"
    time.sleep(pause / 1e6)
    flags[mine] += 1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("captured", [False, True])
def test_tasks_that_move_between_sub_workers_keep_their_order_and_run_once(worker, captured, seed):
    choose = random.Random(seed)
    count = 300
    flags = worker.zeros(count, "int64")
    visits = worker.register(visit)

    def orchestrate(o):
        tasks = []
        for i in range(count):
            # Some follow the latest tasks, which are likely to be in a lane; some follow no task.
            earlier = sorted({i - choose.randrange(1, 6) for _ in range(choose.choice((0, 1, 1, 1, 2, 4)))})
            earlier = [k for k in earlier if k >= 0]
            scalars = [i, choose.choice((0, 0, 100, 3000)), *earlier]
            args = TaskArgs((flags, Tag.NO_DEP), scalars=scalars)
            tasks.append(o.submit_sub(visits, args, after=[tasks[k] for k in earlier]))

    if captured:
        worker.launch(worker.capture(orchestrate)).result()
    else:
        worker.run(orchestrate)
    assert (flags.numpy() == 1).all()
    worker.unregister(visits)


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda tasks: [*tasks, *tasks]])
def test_after_takes_any_iterable_of_tasks_and_each_task_counts_once(worker, handles, kind):
    record = worker.zeros(3, "int64")

    def note(args):
        args[0][args.scalars[0]] = 1

    def total(args):
        return int(args[0].sum())

    noted, summed = worker.register(note), worker.register(total)

    def orchestrate(o):
        earlier = [o.submit_sub(noted, TaskArgs((record, Tag.NO_DEP), scalars=[i])) for i in range(3)]
        return o.submit_sub(summed, args=TaskArgs((record, Tag.NO_DEP)), after=kind(earlier)).result()

    assert worker.run(orchestrate) == 3


@pytest.mark.parametrize("wrong", [3, "task", b"task", [None], [3], object(), {1: 2}, [abs]])
@pytest.mark.parametrize("group", [False, True])
def test_a_value_that_is_no_iterable_of_tasks_cannot_be_followed(worker, handles, wrong, group):
    def submit(o):
        if group:
            o.submit_sub_group(handles["nothing"], [None], after=wrong)
        else:
            o.submit_sub(handles["nothing"], after=wrong)

    with pytest.raises(TypeError, match=r"^after takes (several )?tasks, which a submit returns, not"):
        worker.run(submit)


def test_one_task_alone_is_no_iterable_of_tasks_and_the_error_says_how_to_write_it(worker, handles):
    nothing = handles["nothing"]
    for submit in (worker.run, worker.capture):
        with pytest.raises(TypeError, match=r"not one (Graph)?Task: after=\[\.\.\.\]$"):
            submit(lambda o: o.submit_sub(nothing, after=o.submit_sub(nothing)))
    for argument in ("after", "after_any"):
        with pytest.raises(TypeError, match=rf"^{argument} takes several RunHandles.*not one int: {argument}="):
            worker.submit(lambda o: None, **{argument: 3})


def test_a_task_of_another_worker_cannot_be_followed(worker, handles):
    with Worker(sub_workers=1) as other:
        handle = other.register(nothing)

        def elsewhere(o):
            foreign = o.submit_sub(handle)
            worker.run(lambda here: here.submit_sub(handles["nothing"], after=[foreign]))

        with pytest.raises(ConfigurationError, match="belongs to another Worker"):
            other.run(elsewhere)
