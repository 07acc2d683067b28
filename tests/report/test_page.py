"""report.html is one file that needs no network, has the result of the run, and is small enough for a browser."""

import dataclasses
import json
import re

import pytest
from hypothesis import given

from pipeline.report import timeline as timeline_module
from pipeline.report.page import report_page
from pipeline.report.result import result_document
from pipeline.report.timeline import timeline
from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import CoreSpan, TaskSpan, Trace
from tests.report.test_result_document import ADD, RECORD
from tests.report.traces import WORKERS, traces

CHILDREN = [ChildInfo(kind, number, 21 + number, 1, "ready", 1, "", {}) for kind, number in reversed(WORKERS)]


def data_of(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    return json.loads(text)


def page_of(record):
    return report_page(result_document(record), timeline(record.trace, record.names, {}))


def test_a_page_refers_to_no_other_file():
    page = page_of(RECORD)
    assert not re.search(r"""(src|href)\s*=|url\(|@import|fetch\(|XMLHttpRequest|import\s""", page)
    assert "default-src 'none'" in page


def test_a_page_holds_the_whole_result():
    document = result_document(RECORD)
    assert data_of(page_of(RECORD))["result"] == json.loads(json.dumps(document))


def test_words_of_a_user_cannot_end_the_script_or_become_markup():
    hostile = "</script><img src=x onerror=alert(1)> <!-- @DATA@"
    page = page_of(dataclasses.replace(RECORD, error=hostile, workload=hostile))
    assert data_of(page)["result"]["error"] == hostile
    assert "<img" not in page
    assert page.count("</script>") == 2


def test_without_scripts_the_summary_can_be_read():
    (summary,) = re.findall(r"<noscript>(.*?)</noscript>", page_of(RECORD), flags=re.DOTALL)
    assert "vector_add on chip2" in summary


def test_a_run_without_tasks_has_a_page_without_a_timeline():
    page = page_of(dataclasses.replace(RECORD, trace=Trace(), exit_code=3, error="no"))
    assert data_of(page)["timeline"] is None


def test_workers_come_in_order_with_the_busy_times_of_them_and_their_cores():
    tasks = [TaskSpan(1, 0, ADD, "chip", 1, 100, 101, 110, 160, 170, [], "done")]
    cores = [CoreSpan(1, 1, 0, core, 0, 115, 115 + 10 * core) for core in (1, 2)]
    found = timeline(Trace(tasks, cores, children=CHILDREN), {ADD: "add"}, {ADD: ["kernel_of_add"]})
    assert [(w["name"], w["pid"], w["tasks"], w["busy_ns"]) for w in found["workers"]] == [
        ("chip 0", 21, 0, 0),
        ("chip 1", 22, 1, 50),
        ("sub-worker 0", 21, 0, 0),
    ]
    assert found["workers"][1]["cores"] == [{"core": 1, "busy_ns": 10}, {"core": 2, "busy_ns": 20}]
    assert found["names"] == ["add", "kernel_of_add"]
    assert (found["span_ns"], found["work_ns"]) == (70, [{"add": [50, 0]}])


@given(traces())
def test_the_columns_contain_the_spans(trace):
    found = timeline(trace, {}, {})
    if not trace.tasks:
        assert found is None
        return
    origin = min(task.submit_ns for task in trace.tasks)
    for task, row in zip(trace.tasks, zip(*found["tasks"], strict=True), strict=True):
        worker, begin, length, name, state, run, number, submit, _, complete, waited, of, within, why = row
        assert (run, number, state, waited) == (task.run, task.task, task.state, task.waited_for)
        assert (of, within, why) == (0, -1, "")
        assert (submit, complete, found["names"][name]) == (
            task.submit_ns - origin,
            task.complete_ns - origin,
            task.hashid,
        )
        if task.begin_ns:
            assert (begin, length) == (task.begin_ns - origin, task.end_ns - task.begin_ns)
            assert (found["workers"][worker]["kind"], found["workers"][worker]["id"]) == (task.kind, task.worker)
        else:
            assert worker == -1
    assert sum(found["path_ns"].values()) == sum(length for _, _, length, _, _ in found["path"])
    assert sum(worker["busy_ns"] for worker in found["workers"]) == sum(
        on_leaves + on_nodes for on_leaves, on_nodes in found["work_ns"][0].values()
    )


@pytest.mark.parametrize("most", [1, 7])
def test_a_page_keeps_the_longest_of_many_spans_and_counts_all(most, monkeypatch):
    monkeypatch.setattr(timeline_module, "MOST_SPANS", most)
    tasks = [TaskSpan(1, i, ADD, "chip", 0, 0, 1, 100 * i + 1, 101 * i + 2, 101 * i + 3, [], "done") for i in range(50)]
    cores = [CoreSpan(0, 1, task.task, 0, 0, task.begin_ns, task.end_ns) for task in tasks]
    found = timeline(Trace(tasks, cores, children=CHILDREN), {}, {})
    assert len(found["tasks"][0]) == len(found["cores"][0]) == most
    assert (found["total_tasks"], found["total_cores"]) == (50, 50)
    assert found["cores"][3] == sorted(t.end_ns - t.begin_ns for t in tasks)[-most:]
    assert found["workers"][0]["tasks"] == 50
