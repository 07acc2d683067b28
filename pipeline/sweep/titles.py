"""The names of a sweep's parameters in titles."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.report.units import joined


def key_words(key: str) -> str:
    """``workload.size`` is ``size``; ``callable@workload.callables.add`` is ``kernel of add``."""
    exchanged = re.fullmatch(r"callable@workload\.callables\.(\w+)", key)
    return f"kernel of {exchanged[1]}" if exchanged else key.rpartition(".")[2]


def sweep_title(workloads: Sequence[str], keys: Sequence[str], *, tuned: bool) -> str:
    """The title of a sweep's page."""
    what = joined(workloads) or "nothing that ran"
    over = joined([key_words(key) for key in keys if key != "workload"])
    return f"{'Tuning' if tuned else 'Sweep'} of {what}{f' over {over}' if over else ''}"
