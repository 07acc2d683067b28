"""The frame of every page: one file with its style, its scripts and its data, which needs no other file."""

from __future__ import annotations

import functools
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).with_name("assets")
# In this order: each script uses definitions of earlier ones.
_SHARED = ("elements.js", "table.js")


def palette() -> str:
    """The part of the style that names the colours of both schemes, for drawings in files of their own."""
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    return style[style.index(":root") : style.index("* {")]


def framed(title: str, summary: str, data: Any, scripts: Sequence[Path], *, connects: bool = False) -> str:
    """A page.

    Args:
        title: the title of the window.
        summary: the plain text that is shown where scripts are not allowed.
        data: the data that the scripts draw, in JSON's types.
        scripts: the scripts of this page, after those that all pages share; the last fills the element ``page``.
        connects: whether the page may send requests to the server that it came from; it never may to another server.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # Within a script element only "<" could end the element, or begin a comment.
    filled = {"TITLE": html.escape(title), "SUMMARY": html.escape(summary), "DATA": text.replace("<", "\\u003c")}
    filled["CONNECT"] = "'self'" if connects else "'none'"
    return re.sub("@(TITLE|SUMMARY|DATA|CONNECT)@", lambda place: filled[place[1]], _template(tuple(scripts)))


@functools.cache
def _template(scripts: tuple[Path, ...]) -> str:
    frame, style = ((ASSETS / name).read_text(encoding="utf-8") for name in ("page.html", "page.css"))
    paths = [*(ASSETS / name for name in _SHARED), *scripts]
    script = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return frame.replace("@STYLE@", style).replace("@SCRIPT@", script)
