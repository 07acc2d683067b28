"""The files that a run writes beside its log: result.json, report.html, and traces."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.report.critical_path import nested_critical_path
from pipeline.report.diagnosis import diagnosis
from pipeline.report.earlier_page import earlier_page
from pipeline.report.failure import failure_document
from pipeline.report.latest import count_tasks
from pipeline.report.page import report_page, write_page
from pipeline.report.rates import rate_rows, rates_document
from pipeline.report.result import write_result
from pipeline.report.timeline import timeline
from pipeline.report.trace import chrome_trace, write_trace
from pipeline.report.workers import recording_workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.report.record import RunRecord
    from runtime.observe.trace import Trace

REPORT = "report.html"
"""The page in a run's directory."""


def write_traces(folder: Path, record: RunRecord, drawn: Trace) -> dict[str, Any] | None:
    """Writes the traces.

    Args:
        folder: the run directory.
        record: the record of the run.
        drawn: the part of its trace that is drawn.

    Returns:
        The data of the page's timeline; None if no task was submitted.

    Raises:
        OSError: a file cannot be written; each file is complete or absent.
    """
    kernels = {callable_.hashid: callable_.kernels for callable_ in record.callables}
    left_out = count_tasks(record.trace) - count_tasks(drawn)
    path = nested_critical_path(recording_workers(drawn))
    shown = timeline(drawn, record.names, kernels, path=path, left_out=left_out, machines=record.machines)
    if shown is not None:
        text = chrome_trace(
            drawn,
            os.getpid(),
            record.names,
            kernels,
            stages=record.stages,
            path=path,
            left_out=left_out,
            machines=record.machines,
        )
        write_trace(folder / "trace.json.gz", text)
    if record.virtual is not None:
        from pipeline.report.virtual import virtual_trace

        write_trace(folder / "virtual_trace.json.gz", json.dumps(virtual_trace(record.virtual), separators=(",", ":")))
    return shown


def write_documents(
    folder: Path, record: RunRecord, document: Mapping[str, Any], drawn: Mapping[str, Any] | None
) -> None:
    """Writes report.html, then result.json: if that exists, the other files exist.

    Args:
        folder: the run directory.
        record: the record of the run.
        document: the content of result.json; see result.py.
        drawn: the result of ``write_traces``.

    Raises:
        OSError: like ``write_traces``.
    """
    compared = document.get("comparison")
    earlier = earlier_page(Path(compared["with"]) / REPORT, drawn) if compared else None
    page = report_page(
        document,
        drawn,
        failure=failure_document(record),
        diagnosis=diagnosis(record, drawn),
        rates=_rates(record, document),
        earlier=earlier,
    )
    write_page(folder / REPORT, page)
    write_result(folder / "result.json", document)


def _rates(record: RunRecord, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Work per second, if a callable declares its work: only then is the machine measured."""
    rows = rate_rows(record.callables, document["tasks"])
    if not rows:
        return None
    from pipeline.report.roofs import measured_roofs, modelled_roofs

    model = record.configuration.get("chip_model")
    return rates_document(rows, measured_roofs(), modelled_roofs(model, record.callables) if model else None)
