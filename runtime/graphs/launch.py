"""Launches captured graphs: checks the replacements of tensors and scalars, waits for room, and begins a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runtime.errors.wording import kind_of
from runtime.failure import code_name, launch_refused, native_errors, no_room
from runtime.graphs.graph import Graph
from runtime.runs.run_handle import RunHandle
from runtime.runs.run_start import followed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.session import Session
    from runtime.tensors.tensor import Tensor


def launch(
    session: Session,
    graph: Graph,
    tensors: Mapping[Tensor, Tensor],
    scalars: Mapping[str, float],
    *,
    after: Iterable[RunHandle],
    after_any: Iterable[RunHandle],
) -> RunHandle:
    """Begins a run of ``graph``, and waits while a bound is reached; see Worker.launch."""
    session.require_ready("launch")
    if not isinstance(graph, Graph):
        raise TypeError(f"launch takes a Graph, not {kind_of(graph)}; make one with capture")
    for name, given in (("tensors", tensors), ("scalars", scalars)):
        if not isinstance(given, Mapping):
            raise TypeError(
                f"launch: {name} must be a mapping from recorded values to replacements, not {kind_of(given)}"
            )
    earlier = followed(session, "after", after), followed(session, "after_any", after_any)
    try:
        bound = graph._bind(tensors)
    except native_errors() as error:
        raise launch_refused(error) from None
    bits = graph._bits(scalars)
    while True:
        try:
            native = graph._native.launch(session.engine, bound, bits, *earlier)
            session.watch_end(native)
            return RunHandle(native, session)
        except native_errors() as error:
            _wait_or_raise(session, error)


def _wait_or_raise(session: Session, refusal: Exception) -> None:
    code, situation = refusal.args
    timeout = session.options.submit_timeout
    match code_name(code):
        case "back_pressure":
            moved, option = session.engine.wait_for_room(timeout), "max_pending_tasks"
        case "too_many_runs":
            moved, option = session.engine.wait_for_run_slot(timeout), "max_runs"
        case _:
            raise launch_refused(refusal) from None
    if not moved:
        raise no_room(situation, timeout, option, instead="launch less at once", operation="launch") from None
