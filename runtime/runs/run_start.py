"""The beginning of a run: waits for room below ``max_runs``, then calls the orchestration function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigurationError
from runtime.failure import native_errors, no_room, translate
from runtime.runs.orchestration import orchestration
from runtime.runs.orchestrator import Orchestrator
from runtime.runs.run_handle import RunHandle, several

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime import _core
    from runtime.identity import CallableHandle
    from runtime.options import CallConfig
    from runtime.session import Session

NO_RUNS: tuple[RunHandle, ...] = ()
"""The value for a run that follows no other run."""


def submit(
    session: Session,
    target: Callable[..., Any] | CallableHandle,
    args: Any,
    config: CallConfig | None,
    *,
    after: Iterable[RunHandle] = NO_RUNS,
    after_any: Iterable[RunHandle] = NO_RUNS,
) -> RunHandle:
    """Begins a run and calls its orchestration function here; see Worker.submit."""
    session.require_ready("submit")
    orchestrate, taken = orchestration(target, session.topology)
    native = _begin(session, after, after_any)
    run = RunHandle(native, session)
    try:
        orchestrator = _hosted(session, native) if session.has_hosts else Orchestrator(session, native)
        run._returned(orchestrator._call(orchestrate, (orchestrator, args, config)[:taken]))
    except BaseException:
        session.engine.cancel(native)
        session.engine.seal(native)
        run.wait(session.options.close_timeout)
        raise
    session.engine.seal(native)
    return run


def _hosted(session: Session, run: _core.Run) -> Orchestrator:
    from runtime.runs.residence import HostedOrchestrator  # imported late: most Workers are on one machine

    return HostedOrchestrator(session, run)


def _begin(session: Session, after: Iterable[RunHandle], after_any: Iterable[RunHandle]) -> _core.Run:
    """Begins a run, after waiting while ``options.max_runs`` runs are under way."""
    if after is NO_RUNS and after_any is NO_RUNS:
        earlier: tuple[list[_core.Run], ...] = ()
    else:
        earlier = followed(session, "after", after), followed(session, "after_any", after_any)
    engine = session.engine
    while True:
        try:
            return engine.begin_run(*earlier)
        except native_errors() as error:
            if error.args[0] != session.codes["too_many_runs"]:
                raise translate(error, operation="submit") from None
            situation = error.args[1]
        timeout, pending = session.options.submit_timeout, engine.stats()["pending"]
        if not engine.wait_for_run_slot(timeout) and engine.stats()["pending"] >= pending:
            raise no_room(situation, timeout, "max_runs", instead="wait for earlier runs")


def followed(session: Session, argument: str, runs: Iterable[RunHandle]) -> list[_core.Run]:
    """The runs that a new run follows, from ``argument`` of its submit or launch.

    Raises: TypeError (not a RunHandle), ConfigurationError (a run of another Worker).
    """
    earlier = []
    for run in several(argument, runs, RunHandle, "RunHandles, which submit and launch return"):
        if run._session is not session:
            raise ConfigurationError(
                f"{argument}: {run!r} belongs to another Worker, {run._session!r}; wait for it before this submit"
            )
        earlier.append(run._native)
    return earlier
