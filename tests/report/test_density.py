"""Tasks that are drawn together are all counted, with their whole time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report import timeline as timeline_module
from pipeline.report.density import Spans, bin_count, busy, counts, lane_bins
from pipeline.report.timeline import timeline
from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import CoreSpan, TaskSpan, Trace
from tests.report.test_result_document import ADD, READ

WHOLE = 1_000
SPANS = st.lists(st.tuples(st.integers(0, WHOLE), st.integers(0, WHOLE), st.integers(0, 2)), min_size=1, max_size=40)


def columns(rows):
    begin, end, name = np.array([(min(a, b), max(a, b), n) for a, b, n in rows], dtype=np.int64).T
    return Spans(begin, end, name)


@given(SPANS, st.integers(1, 64))
def test_pieces_add_up_to_the_time_of_all_spans_and_count_each_once(rows, bins):
    spans = columns(rows)
    each = busy(spans.begin, spans.end, WHOLE, bins)
    assert each.sum() == pytest.approx((spans.end - spans.begin).sum())
    assert (each > -1e-6).all()
    assert counts(spans.begin, WHOLE, bins).sum() == len(rows)


@given(SPANS, st.integers(1, 64))
def test_each_piece_is_as_busy_as_its_spans_and_named_after_most_of_their_time(rows, bins):
    spans = columns(rows)
    pieces, shares, begun, names = lane_bins(spans, WHOLE, bins)
    assert sum(begun) == len(rows)
    for piece, share, name in zip(pieces, shares, names, strict=True):
        low, high = piece * WHOLE / bins, (piece + 1) * WHOLE / bins
        inside = np.clip(np.minimum(spans.end, high) - np.maximum(spans.begin, low), 0, None)
        assert share == pytest.approx(min(1000, 1000 * inside.sum() * bins / WHOLE), abs=1.01)
        of_names = [inside[spans.name == n].sum() for n in range(3)]
        assert of_names[name] == pytest.approx(max(of_names), abs=1e-6)


def test_the_more_lanes_the_fewer_pieces_each_has():
    assert [bin_count(lanes) for lanes in (1, 47, 100, 10_000)] == [1024, 1021, 480, 128]


def test_a_thinned_timeline_draws_the_others_together_and_its_overview_counts_all(monkeypatch):
    monkeypatch.setattr(timeline_module, "MOST_SPANS", 10)
    kids = [ChildInfo("chip", n, 20 + n, 1, "ready", 1, "", {}) for n in range(2)]
    tasks = [
        TaskSpan(
            1, i, (ADD, READ)[i % 2], "chip", i % 2, 10 * i, 10 * i, 10 * i + 1, 10 * i + 9, 10 * i + 9, [], "done"
        )
        for i in range(100)
    ]
    tasks[7] = tasks[7]._replace(state="lost", begin_ns=0, end_ns=0)
    cores = [CoreSpan(0, 1, task.task, 0, 0, task.begin_ns, task.end_ns) for task in tasks if task.begin_ns]
    found = timeline(Trace(tasks, cores, children=kids), {ADD: "add", READ: "read"}, {})
    assert len(found["tasks"][0]) == len(found["cores"][0]) == 10
    assert 7 in found["tasks"][6]
    lanes = {(worker, core): begun for worker, core, _, _, begun, _ in found["density"]["lanes"]}
    drawn = [found["tasks"][0].count(worker) for worker in (0, 1)]
    assert [sum(lanes[worker, -1]) for worker in (0, 1)] == [50 - drawn[0], 50 - drawn[1]]
    assert sum(lanes[0, 0]) == 99 - 10
    assert [sum(numbers) for _, _, _, numbers in found["density"]["moments"]] == [90, 90]
    assert sum(found["load"]) / 400 / 1000 == pytest.approx(99 * 8 / 2 / found["span_ns"], rel=0.01)


def test_a_timeline_with_every_task_has_no_density():
    task = TaskSpan(1, 0, ADD, "chip", 0, 0, 1, 2, 9, 10, [], "done")
    assert timeline(Trace([task]), {}, {})["density"] is None
