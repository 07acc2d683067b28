"""Pages for tests in a browser: of a run, of a crash, of a comparison, and of a run with very many tasks."""

import dataclasses
import random

from pipeline.baseline.verdict import compare_result
from pipeline.report.diagnosis import diagnosis
from pipeline.report.earlier_page import earlier_page
from pipeline.report.failure import failure_document
from pipeline.report.page import report_page, write_page
from pipeline.report.result import result_document, write_result
from pipeline.report.timeline import timeline
from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import CoreSpan, TaskSpan, Trace
from tests.report.test_result_document import ADD, READ, RECORD

MACHINE = {"cpu": "Some CPU", "cores": 2, "architecture": "x86_64", "kernel": "6.1", "load_average": 0.5}
PROVENANCE = {"time": "2026-01-02T03:04:05+00:00", "python": "3.11.4", "machine": MACHINE}


def many_tasks(number):
    """A trace of tasks that eight chips execute, each on three cores; every fiftieth waits for the one before."""
    draw = random.Random(1)
    children = [ChildInfo("chip", chip, 100 + chip, 1, "ready", 1, "", {}) for chip in range(8)]
    now, tasks, cores, free = 5_000_000_000_000, [], [], [0] * 8
    for i in range(number):
        now += draw.randint(1500, 3500)
        chip = i % 8
        begin = max(now + 1100, free[chip])
        end = begin + 900 + int(draw.expovariate(1 / 16_000))
        free[chip] = end + 400
        waited = [i - 1] if i and i % 50 == 0 else []
        hashid = ADD if i % 3 else READ
        tasks.append(TaskSpan(1, i, hashid, "chip", chip, now, now + 300, begin, end, end + 700, waited, "done"))
        cores += [CoreSpan(chip, 1, i, core, 0, begin + 100, end - draw.randint(100, 700)) for core in range(3)]
    return Trace(tasks, cores, children=children)


def measured_record(scale=1.0, warm_up=2, repeat=12):
    """A run that was measured several times: tasks of two callables on two chips and a sub-worker."""
    draw = random.Random(3)
    children = [ChildInfo("chip", chip, 100 + chip, 1, "ready", 1, "", {}) for chip in range(2)]
    children.append(ChildInfo("sub", 0, 110, 1, "ready", 1, "", {}))
    now, tasks, seconds = 1_000_000, [], []
    for run in range(1, warm_up + repeat + 1):
        begun, ends = now, []
        for i in range(6):
            length = int((400_000 if run > warm_up else 900_000) * scale * draw.uniform(0.95, 1.1))
            begin = now + 5_000 + (i // 2) * length
            ends.append(begin + length)
            chip = i % 2
            tasks.append(
                TaskSpan(run, i, ADD, "chip", chip, now, now + 900, begin, ends[-1], ends[-1] + 900, [], "done")
            )
        last = max(ends)
        tasks.append(
            TaskSpan(run, 6, READ, "sub", 0, now, last, last + 3_000, last + 90_000, last + 91_000, [5], "done")
        )
        now = last + 100_000
        seconds.append((now - begun) / 1e9)
    return dataclasses.replace(
        RECORD,
        trace=Trace(tasks, children=children),
        provenance=PROVENANCE,
        warm_up=warm_up,
        warm_up_seconds=seconds[:warm_up],
        run_seconds=seconds[warm_up:],
    )


def write_run(folder, record, document=None, earlier=None):
    """Writes report.html and result.json into a folder. Returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    document = document or result_document(record)
    drawn = timeline(record.trace, record.names, {ADD: ["kernel"]})
    if earlier is not None:
        earlier = earlier_page(earlier, drawn)
    said = diagnosis(record, drawn)
    page = report_page(document, drawn, failure=failure_document(record), diagnosis=said, earlier=earlier)
    write_page(folder / "report.html", page)
    write_result(folder / "result.json", document)
    return folder / "report.html"


def write_compared(folder, scale=1.2):
    """Writes a run that takes ``scale`` times as long as the earlier run of its comparison. Returns the path of its
    page.
    """
    before = write_run(folder / "before", measured_record())
    changed = "sha256:" + "c" * 64
    callables = [RECORD.callables[0]._replace(hashid=changed), RECORD.callables[1]]
    record = measured_record(scale)
    trace = dataclasses.replace(
        record.trace, tasks=[t._replace(hashid=changed) if t.hashid == ADD else t for t in record.trace.tasks]
    )
    record = dataclasses.replace(record, callables=callables, trace=trace)
    document = compare_result(result_document(record), str(before.parent), 10.0, None)
    return write_run(folder / "now", record, document, before)
