"""The document of a live page: the same design and the same timeline as the report that the run leaves."""

from __future__ import annotations

from pathlib import Path

from pipeline.report.frame import ASSETS, framed

_OWN = Path(__file__).with_name("assets")
# In this order: each uses what those before it define.
_SCRIPTS = (
    *(ASSETS / name for name in ("timeline.js", "timeline_drawing.js", "timeline_hands.js")),
    *(_OWN / name for name in ("live_tasks.js", "live_sections.js", "live.js")),
)


def live_page(title: str) -> str:
    """The page; what it shows, the server sends."""
    return framed(f"{title}: running", title, {"title": title}, _SCRIPTS, connects=True)
