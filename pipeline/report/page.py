"""report.html: one file that shows what ran, where the time went and whether the result is right, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.common.files import write_atomically
from pipeline.report.figures import comparison_figures, measurement_figures
from pipeline.report.frame import ASSETS, framed
from pipeline.report.result import plain_values
from pipeline.report.summary import summary_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The order matters: each file uses definitions of the files before it.
_SCRIPTS = (
    "timeline.js",
    "timeline_drawing.js",
    "timeline_hands.js",
    "failure.js",
    "sections.js",
    "measured.js",
    "run.js",
)


def report_page(
    document: Mapping[str, Any],
    timeline: Mapping[str, Any] | None,
    *,
    failure: Mapping[str, Any] | None = None,
    diagnosis: Mapping[str, Any] | None = None,
    rates: Mapping[str, Any] | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> str:
    """The page.

    Args:
        document: the result of result.py.
        timeline: the result of timeline.py; None leaves out the parts that need it.
        failure: the result of failure.py; None for a run in which no task failed.
        diagnosis: the result of diagnosis.py.
        rates: the result of rates.py; None if no callable declares its work.
        earlier: the result of earlier_page.py; None without a comparison, or if the earlier run has no page.
    """
    title = f"{document['workload']} on {document['topology']}: {document['status']}"
    figures = {
        "measurements": measurement_figures(document["measurements"], (earlier or {}).get("measurements")),
        "comparison": comparison_figures(document.get("comparison")),
    }
    data = {
        "result": plain_values(document),
        "timeline": timeline,
        "failure": failure,
        "diagnosis": diagnosis,
        "rates": rates,
        "earlier": earlier,
        "figures": figures,
    }
    return framed(title, summary_text(document), data, [ASSETS / name for name in _SCRIPTS])


def write_page(path: Path, page: str) -> None:
    """Writes a page of ``report_page``. Raises OSError; ``path`` is then unchanged."""
    write_atomically(path, page.encode())
