"""Possible traces of a Worker, made by hypothesis: lanes execute in order, dependencies hold, and the tasks that a
node's task submits lie within it."""

import itertools

from hypothesis import strategies as st

from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import CoreSpan, TaskSpan, Trace

HASHIDS = ["sha256:" + letter * 64 for letter in "abc"]
WORKERS = [("chip", 0), ("chip", 1), ("sub", 0)]
NODES = [("node", 0), ("node", 1), ("sub", 0)]
_STATES = ["done", "done", "done", "failed"]
_GAP = st.integers(0, 5)


class _Recording:
    """One recording Worker; ``below`` has the Workers inside its nodes, by id."""

    def __init__(self, workers, first_pid, below=None):
        self.workers = workers
        self.below = below or {}
        self.runs = itertools.count(1)
        self.free_at = dict.fromkeys(workers, 0)
        self.tasks, self.cores, self.dropped = [], [], 0
        self.children = [
            ChildInfo(kind, number, first_pid + i, 1, "ready", 1, "", {}) for i, (kind, number) in enumerate(workers)
        ]

    def run(self, draw, now, most):
        """Records one run that begins at ``now``. Returns the time when all of it is complete."""
        run, submitted_at, ended = next(self.runs), now, {}
        for task in range(draw(st.integers(0, most))):
            submitted_at += draw(_GAP)
            earlier = draw(st.lists(st.sampled_from(sorted(ended)), max_size=3, unique=True)) if ended else []
            # A task is no predecessor if the parent had received its end when this one was submitted.
            waited = sorted(e for e in earlier if ended[e].complete_ns > submitted_at)
            hashid = draw(st.sampled_from(HASHIDS))
            kind, worker = draw(st.sampled_from(self.workers))
            if draw(st.integers(0, 9)) == 0:
                complete = max([submitted_at, *(ended[e].complete_ns for e in waited)]) + draw(_GAP)
                self.tasks.append(
                    TaskSpan(run, task, hashid, kind, -1, submitted_at, 0, 0, 0, complete, waited, "skipped")
                )
                now = max(now, complete)
                continue
            dispatch = max([submitted_at, *(ended[e].end_ns for e in waited)]) + draw(_GAP)
            begin = max(dispatch, self.free_at[kind, worker]) + draw(_GAP)
            if kind == "node":
                end = self.below[worker].run(draw, begin + draw(_GAP), 4) + draw(_GAP) + 1
            else:
                end = begin + draw(st.integers(0, 50))
            complete = end + draw(_GAP)
            # A node begins a task later than it ended the one before.
            self.free_at[kind, worker] = end + (kind == "node")
            state = draw(st.sampled_from(_STATES))
            ended[task] = TaskSpan(
                run, task, hashid, kind, worker, submitted_at, dispatch, begin, end, complete, waited, state
            )
            self.tasks.append(ended[task])
            now = max(now, complete)
            if kind == "chip" and draw(st.booleans()):
                self.cores.append(CoreSpan(worker, run, task, draw(st.integers(0, 1)), 0, begin, end))
        self.dropped += draw(st.integers(0, 1))
        return max(now, submitted_at)

    def trace(self):
        below = {node: recording.trace() for node, recording in self.below.items()}
        return Trace(self.tasks, self.cores, self.dropped, below, children=self.children)


def _recorded(draw, recording, most):
    now = draw(st.integers(1, 10**15))
    for _ in range(draw(st.integers(1, 3))):
        now = recording.run(draw, now, most) + draw(_GAP)
    return recording.trace()


@st.composite
def traces(draw, most=30):
    """A Trace of the workers WORKERS: runs follow each other; some tasks never begin."""
    return _recorded(draw, _Recording(WORKERS, 21), most)


@st.composite
def nested_traces(draw, most=6):
    """A Trace of the workers NODES, the second of which has a node itself."""
    lowest = _Recording(WORKERS, 61)
    below = {0: _Recording(WORKERS, 31), 1: _Recording([("node", 0), ("sub", 0)], 51, {0: lowest})}
    return _recorded(draw, _Recording(NODES, 21, below), most)
