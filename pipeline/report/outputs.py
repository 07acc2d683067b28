"""The files that a run leaves beside its log: result.json, report.html, and traces."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pipeline.report.page import report_page, write_page
from pipeline.report.result import write_result
from pipeline.report.timeline import timeline
from pipeline.report.trace import chrome_trace, write_trace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.report.record import RunRecord


def write_outputs(folder: Path, record: RunRecord, document: Mapping[str, Any]) -> None:
    """Writes them, result.json last: where it is, the others are.

    Args:
        folder: the run directory.
        record: of the run.
        document: what goes into result.json; see result.py.

    Raises:
        OSError: a file cannot be written; each is there as a whole or not at all.
    """
    kernels = {callable_.hashid: callable_.kernels for callable_ in record.callables}
    drawn = timeline(record.trace, record.names, kernels)
    write_page(folder / "report.html", report_page(document, drawn))
    if drawn is not None:
        write_trace(folder / "trace.json.gz", chrome_trace(record.trace, os.getpid(), record.names, kernels))
    if record.virtual is not None:
        from pipeline.report.virtual import virtual_trace

        write_trace(folder / "virtual_trace.json.gz", virtual_trace(record.virtual))
    write_result(folder / "result.json", document)
