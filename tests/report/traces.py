"""Traces as a Worker could have recorded them, made up by hypothesis: lanes execute in order, dependencies hold."""

from hypothesis import strategies as st

from runtime.trace import CoreSpan, TaskSpan, Trace

HASHIDS = ["sha256:" + letter * 64 for letter in "abc"]
WORKERS = [("chip", 0), ("chip", 1), ("sub", 0)]
_STATES = ["done", "done", "done", "failed"]


@st.composite
def traces(draw, most=30):
    """A Trace of the workers WORKERS: runs follow each other; some tasks never begin."""
    gap = st.integers(0, 5)
    now = draw(st.integers(1, 10**15))
    free_at = dict.fromkeys(WORKERS, 0)
    tasks, cores = [], []
    for run in range(1, draw(st.integers(1, 3)) + 1):
        submitted_at, ended = now, {}
        for task in range(draw(st.integers(0, most))):
            submitted_at += draw(gap)
            earlier = draw(st.lists(st.sampled_from(sorted(ended)), max_size=3, unique=True)) if ended else []
            # A task that had ended, and was known to have, when this one was submitted is not waited for.
            waited = sorted(e for e in earlier if ended[e].complete_ns > submitted_at)
            hashid = draw(st.sampled_from(HASHIDS))
            if draw(st.integers(0, 9)) == 0:
                complete = max([submitted_at, *(ended[e].complete_ns for e in waited)]) + draw(gap)
                tasks.append(
                    TaskSpan(run, task, hashid, "chip", -1, submitted_at, 0, 0, 0, complete, waited, "skipped")
                )
                now = max(now, complete)
                continue
            kind, worker = draw(st.sampled_from(WORKERS))
            dispatch = max([submitted_at, *(ended[e].end_ns for e in waited)]) + draw(gap)
            begin = max(dispatch, free_at[kind, worker]) + draw(gap)
            end = begin + draw(st.integers(0, 50))
            complete = end + draw(gap)
            free_at[kind, worker] = end
            state = draw(st.sampled_from(_STATES))
            ended[task] = TaskSpan(
                run, task, hashid, kind, worker, submitted_at, dispatch, begin, end, complete, waited, state
            )
            tasks.append(ended[task])
            now = max(now, complete)
            if kind == "chip" and draw(st.booleans()):
                cores.append(CoreSpan(worker, run, task, draw(st.integers(0, 1)), 0, begin, end))
        now = max(now, submitted_at) + draw(gap)
    return Trace(tasks, cores, draw(st.integers(0, 1)))
