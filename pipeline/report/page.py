"""report.html: one file that says what ran, where its time went and whether the outcome was right; no network needed.

The page's style and scripts lie in assets/; this module puts them and the data into one file.
"""

from __future__ import annotations

import functools
import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.common.files import write_atomically
from pipeline.report.result import plain_values
from pipeline.report.summary import summary_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_ASSETS = Path(__file__).with_name("assets")
# In this order: each uses what those before it define.
_SCRIPTS = ("format.js", "timeline.js", "sections.js")


def report_page(document: Mapping[str, Any], timeline: Mapping[str, Any] | None) -> str:
    """The page.

    Args:
        document: of result.py.
        timeline: of timeline.py; None leaves out what needs one.
    """
    data = json.dumps({"result": plain_values(document), "timeline": timeline}, separators=(",", ":"), allow_nan=False)
    filled = {
        "TITLE": html.escape(f"{document['workload']} on {document['topology']}: {document['status']}"),
        "SUMMARY": html.escape(summary_text(document)),
        # Inside of a script element only "<" could end it, or begin a comment.
        "DATA": data.replace("<", "\\u003c"),
    }
    return re.sub("@(TITLE|SUMMARY|DATA)@", lambda place: filled[place[1]], _template())


def write_page(path: Path, page: str) -> None:
    """Writes a page of ``report_page``. Raises OSError; ``path`` is then as it was."""
    write_atomically(path, page.encode())


@functools.cache
def _template() -> str:
    frame, style = ((_ASSETS / name).read_text(encoding="utf-8") for name in ("report.html", "report.css"))
    script = "\n".join((_ASSETS / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    return frame.replace("@STYLE@", style).replace("@SCRIPT@", script)
