"""The document of a live page, with the design and the timeline of the run's report."""

from __future__ import annotations

from pathlib import Path

from pipeline.report.frame import ASSETS, framed

_OWN = Path(__file__).with_name("assets")
# In this order: each script uses definitions of earlier ones.
_SCRIPTS = (
    *(ASSETS / name for name in ("timeline.js", "timeline_drawing.js", "timeline_hands.js")),
    *(_OWN / name for name in ("live_tasks.js", "live_sections.js", "live.js")),
)


def live_page(title: str) -> str:
    """The page without data, which the server sends as messages."""
    return framed(f"{title}: running", title, {"title": title}, _SCRIPTS, connects=True)
