"""Only the end of an interrupted run is drawn: the last tasks at every level, up to a limit."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.latest import count_tasks, latest
from tests.report.traces import traces


def levels(trace):
    return [trace, *(level for below in trace.nodes.values() for level in levels(below))]


def spans(trace):
    return [span for level in levels(trace) for span in (*level.tasks, *level.cores)]


def end(span):
    return span.end_ns if not hasattr(span, "complete_ns") else span.complete_ns if span.begin_ns else 0


@given(traces(), st.integers(1, 30))
def test_the_last_ended_tasks_are_kept_in_order_and_tasks_that_never_began_are_dropped_first(trace, most):
    kept = latest(trace, most)
    assert len(spans(kept)) == min(most, len(spans(trace)))
    assert sorted(map(end, spans(kept))) == sorted(map(end, spans(trace)))[-most:]
    for before, after in zip(levels(trace), levels(kept), strict=True):
        for name in ("tasks", "cores"):
            rest = iter(getattr(before, name))
            assert all(span in rest for span in getattr(after, name))
        assert (after.children, after.dropped) == (before.children, before.dropped)
    assert count_tasks(kept) == sum(hasattr(span, "waited_for") for span in spans(kept))


@given(traces())
def test_a_short_trace_is_not_changed(trace):
    assert latest(trace) is trace
