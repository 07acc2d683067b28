"""Traces of whole trees: the records of Workers below reach the Worker at the top, on one clock."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime import CallConfig, TaskArgs, Worker, WorkerOptions
from tests.contract.conftest import stop, wait_until

MANY = 2000
"""So many tasks that their spans do not fit into one control message."""


def nothing(args):
    return None


def tree(trace=True, **options):
    top = Worker(level=5, options=WorkerOptions(trace=trace, **options))
    for _ in range(2):
        middle = Worker(level=4, sub_workers=1, options=WorkerOptions(**options))
        middle.add_worker(Worker(chips=2, options=WorkerOptions(**options)))
        top.add_worker(middle)
    return top


def test_the_spans_of_every_level_reach_the_top_and_lie_within_the_node_tasks_that_ran_them(chip):
    with tree() as worker:
        leaf, empty = worker.register(chip["sleep_ms"]), worker.register(nothing)

        def bottom(o):
            for i in range(4):
                o.submit_next_level(leaf, TaskArgs(scalars=[1]), CallConfig(block_count=1), worker=i % 2)

        below = worker.register(bottom)

        def between(o):
            o.submit_next_level(below, worker=0)
            o.submit_sub(empty)

        handle = worker.register(between)
        worker.run(lambda o: [o.submit_next_level(handle, worker=node) for node in (0, 0, 1)])
        trace, again = worker.trace(), worker.trace()

    assert sorted((span.kind, span.worker) for span in trace.tasks) == [("node", 0), ("node", 0), ("node", 1)]
    assert (sorted(trace.nodes), trace.missing_nodes) == ([0, 1], [])
    for node, runs in ((0, 2), (1, 1)):
        middle = trace.nodes[node]
        lowest = middle.nodes[0]
        assert sorted(span.kind for span in middle.tasks) == ["node"] * runs + ["sub"] * runs
        assert [span.kind for span in lowest.tasks] == ["chip"] * 4 * runs
        assert {span.worker for span in lowest.cores} == {0, 1}
        assert {span.hashid for span in lowest.tasks} == {leaf.hashid}
        outer = [span for span in trace.tasks if span.worker == node]
        for spans, within in ((middle.tasks, outer), (lowest.tasks, [s for s in middle.tasks if s.kind == "node"])):
            for span in spans:
                assert any(o.begin_ns <= span.submit_ns <= span.complete_ns <= o.end_ns for o in within)
    assert (again.tasks, [again.nodes[node].nodes[0].tasks for node in (0, 1)]) == ([], [[], []])


@pytest.fixture
def pair():
    """Two nodes of one sub-worker each."""
    worker = Worker(level=4, options=WorkerOptions(trace=True))
    for _ in range(2):
        worker.add_worker(Worker(sub_workers=1))
    with worker:
        yield worker


def many(worker):
    empty = worker.register(nothing)
    return worker.register(lambda o: [o.submit_sub(empty) for _ in range(MANY)] and None)


def test_more_spans_than_a_message_holds_arrive_whole(pair):
    handle = many(pair)
    pair.run(lambda o: [o.submit_next_level(handle, worker=node) for node in (0, 1)])
    trace = pair.trace()
    assert [len(trace.nodes[node].tasks) for node in (0, 1)] == [MANY, MANY]


def test_a_node_that_dies_before_it_answers_is_named_and_no_other_spans_are_lost(pair):
    handle = many(pair)
    pair.run(lambda o: [o.submit_next_level(handle, worker=node) for node in (0, 1)])
    dying = pair.children[0].pid
    stop(dying)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(pair.trace)
        assert wait_until(asked.running)
        time.sleep(0.2)  # lets the request arrive first; the outcome is the same if it does not
        os.kill(dying, signal.SIGKILL)
        trace = asked.result()
    if not trace.missing_nodes:  # the node was replaced before the request
        assert trace.nodes.pop(0).tasks == []
    assert sorted(trace.nodes) == [1]
    assert len(trace.nodes[1].tasks) == MANY
    assert wait_until(lambda: pair.children[0].pid != dying and pair.children[0].state == "ready")
    assert pair.trace().nodes[0].tasks == []


def test_without_a_trace_at_the_top_nothing_is_recorded_below(chip):
    with tree(trace=False) as worker:
        depth = worker.register(lambda o: o.topology.options.trace)
        assert worker.run(lambda o: o.submit_next_level(depth, worker=0)).result() is False
