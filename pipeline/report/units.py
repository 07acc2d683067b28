"""Numbers in texts of pages, with characters that a terminal may lack."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.common.counts import duration


def page_duration(seconds: float | None) -> str:
    """A duration as in the terminal, with the micro sign; a dash for None."""
    return "\u2013" if seconds is None else duration(seconds).replace(" us", " \u00b5s")


def joined(names: Sequence[str]) -> str:
    """``"a"``, ``"a and b"``, ``"a, b and c"``."""
    return " and ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)
