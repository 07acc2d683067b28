"""What a function must not refer to, and functions whose call runs nothing, are refused in words that help."""

import functools

import pytest

from runtime import Executor, Tag, TaskArgs, Worker, by_source

HELD = {
    "a Worker": lambda held: held["worker"],
    "a Tensor": lambda held: held["tensor"],
    "a Task": lambda held: held["task"],
    "a RunHandle": lambda held: held["run"],
    "an Orchestrator": lambda held: held["orchestrator"],
    "a Graph": lambda held: held["graph"],
}


async def coroutine(*_):
    """A coroutine function."""


def generator(*_):
    """A generator function."""
    yield


async def asynchronous_generator(*_):
    """An asynchronous generator function."""
    yield


@by_source
async def by_its_source(*_):
    """A coroutine function that is identified by its source."""


class Lazy:
    """Has a coroutine method."""

    async def method(self, _):
        """A coroutine method."""


LAZY = [
    (coroutine, "coroutine: it is a coroutine function"),
    (generator, "generator: it is a generator function"),
    (asynchronous_generator, "it is an asynchronous generator function"),
    (Lazy().method, "Lazy.method: it is a coroutine function"),
    (by_its_source, "by_its_source: it is a coroutine function"),
    (functools.partial(coroutine, 1), "coroutine: it is a coroutine function"),
]


@pytest.fixture(scope="module")
def held():
    with Worker(sub_workers=1) as worker:
        handle = worker.register(len)
        run = worker.submit(lambda o: (o, o.submit_sub(handle)))
        orchestrator, task = run.result()
        graph = worker.capture(lambda o: o.submit_sub(handle) and None)
        yield {
            "worker": worker,
            "tensor": worker.zeros(3),
            "task": task,
            "run": run,
            "orchestrator": orchestrator,
            "graph": graph,
        }


@pytest.mark.parametrize("what", HELD)
def test_a_callable_that_refers_to_what_stays_in_this_process_is_named_with_what_to_do(held, what):
    stays = HELD[what](held)

    def refers(args):
        return stays

    with pytest.raises(TypeError, match=f"cannot pickle {what}: ") as caught:
        held["worker"].register(refers)
    (note,) = caught.value.__notes__
    assert "while pickling the callable" in note
    assert refers.__qualname__ in note


def test_an_executor_refuses_a_tensor_as_an_argument_in_the_same_words(held):
    with Executor(max_workers=1) as executor, pytest.raises(TypeError, match=r"cannot pickle a Tensor: .*TaskArgs"):
        executor.submit(len, held["tensor"]).result()


def test_a_task_that_returns_its_arguments_is_told_to_return_arrays(held):
    worker = held["worker"]
    returns = worker.register(lambda args: args)
    with pytest.raises(TypeError, match=r"cannot pickle the arguments of a task.*args\[0\]"):
        worker.run(lambda o: o.submit_sub(returns, TaskArgs((held["tensor"], Tag.INPUT)))).result()


@pytest.mark.parametrize(("function", "words"), LAZY)
def test_a_function_whose_call_runs_nothing_is_refused_where_it_is_registered_or_run(held, function, words):
    worker = held["worker"]
    with pytest.raises(TypeError, match=f"cannot register .*{words}"):
        worker.register(function)
    for run in (worker.run, worker.submit, worker.capture):
        with pytest.raises(TypeError, match=f"cannot run .*{words}"):
            run(function)
    assert worker.stats().runs == 0
