"""verify: compares the computed result with the expected result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.run.stage_results import Executed, Verified

if TYPE_CHECKING:
    from pipeline.terminal.console import Console


def verify(executed: Executed, console: Console) -> Verified:
    """Compares the results. A difference is a result, not an exception."""
    described = executed.registered.started.built.described
    begin = time.perf_counter()
    verification = described.workload.verify()
    console.action(verification.word, described.workload_name, seconds=time.perf_counter() - begin)
    return Verified(executed, verification)
