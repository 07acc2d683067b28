"""The contents of an earlier run's page, for the page of a run that is compared with it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LONGEST = 1_000_000
"""Most characters of an earlier timeline that a page includes."""


def earlier_page(path: Path, like: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The measurements and the timeline of an earlier run.

    Args:
        path: the path of its report.html.
        like: the timeline of the new run: an earlier timeline of another form, from another version, is left out.

    Returns:
        ``measurements`` as in result.json, and ``timeline``, which is None if there is none or if it is too long; None
        if there is no such page.
    """
    try:
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.S)
        data = json.loads(found[1]) if found else {}
        measurements, timeline = data["result"]["measurements"], data["timeline"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not timeline or not like or _form(timeline) != _form(like) or len(json.dumps(timeline)) > _LONGEST:
        timeline = None
    return {"measurements": measurements, "timeline": timeline}


def _form(timeline: Mapping[str, Any]) -> tuple[Any, ...]:
    return sorted(timeline), len(timeline["tasks"])
