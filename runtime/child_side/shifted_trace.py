"""A trace of another machine in the times of this machine's clock."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

_TASK_TIMES = ("submit_ns", "dispatch_ns", "begin_ns", "end_ns", "complete_ns")


def shifted(packed: bytes, offset_ns: int, bound_ns: int) -> bytes:
    """A pickled Trace whose times are ``offset_ns`` earlier, in all levels. A time of 0 means "never" and stays.

    Args:
        bound_ns: the greatest error of the offset, which the trace notes.
    """
    return pickle.dumps(_shifted(pickle.loads(packed), offset_ns, bound_ns))


def _shifted(trace: Any, offset_ns: int, bound_ns: int) -> Any:
    def moved(span: Any, names: tuple[str, ...]) -> Any:
        return span._replace(**{name: time - offset_ns for name in names if (time := getattr(span, name))})

    return replace(
        trace,
        tasks=[moved(span, _TASK_TIMES) for span in trace.tasks],
        cores=[moved(span, ("begin_ns", "end_ns")) for span in trace.cores],
        nodes={node: _shifted(below, offset_ns, bound_ns) for node, below in trace.nodes.items()},
        clock_bound_ns=bound_ns,
    )
