"""report.html: one file that says what ran, where its time went and whether it was right; it needs no network."""

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

# In this order: each uses what those before it define.
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
        document: of result.py.
        timeline: of timeline.py; None leaves out what needs one.
        failure: of failure.py; None of a run in which no task went wrong.
        diagnosis: of diagnosis.py.
        rates: of rates.py; None if no callable declares its work.
        earlier: of earlier_page.py; None of a run that is compared with nothing, or with what has no page.
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
    """Writes a page of ``report_page``. Raises OSError; ``path`` is then as it was."""
    write_atomically(path, page.encode())
