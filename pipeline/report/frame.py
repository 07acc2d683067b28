"""The frame of every page: one file with its style, its scripts and its data, which needs nothing beside itself."""

from __future__ import annotations

import functools
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).with_name("assets")
# In this order: each uses what those before it define.
_SHARED = ("elements.js", "table.js")


def palette() -> str:
    """The part of the style that names the colours, for a drawing that is a file of its own: of both schemes."""
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    return style[style.index(":root") : style.index("* {")]


def framed(title: str, summary: str, data: Any, scripts: Sequence[Path], *, connects: bool = False) -> str:
    """A page.

    Args:
        title: of the window.
        summary: what is shown where scripts are not allowed, as plain text.
        data: what the scripts draw, as JSON can hold it.
        scripts: of this page, behind those that all pages share; the last fills the element ``page``.
        connects: whether it may ask the server that it came from for more; no page may ask another.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # Inside of a script element only "<" could end it, or begin a comment.
    filled = {"TITLE": html.escape(title), "SUMMARY": html.escape(summary), "DATA": text.replace("<", "\\u003c")}
    filled["CONNECT"] = "'self'" if connects else "'none'"
    return re.sub("@(TITLE|SUMMARY|DATA|CONNECT)@", lambda place: filled[place[1]], _template(tuple(scripts)))


@functools.cache
def _template(scripts: tuple[Path, ...]) -> str:
    frame, style = ((ASSETS / name).read_text(encoding="utf-8") for name in ("page.html", "page.css"))
    paths = [*(ASSETS / name for name in _SHARED), *scripts]
    script = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return frame.replace("@STYLE@", style).replace("@SCRIPT@", script)
