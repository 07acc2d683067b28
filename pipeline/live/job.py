"""A job on a live page: on a page of its own, or on that of its sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.config.schema import FOR_PEOPLE
from pipeline.live.running import Running
from pipeline.live.session import Ending, LivePage, page_of_sweep
from pipeline.report.outputs import REPORT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.terminal.console import Console
    from runtime import Worker


class LiveJob:
    """Shows a job until it ends.

    A job of a sweep that runs in another process than the sweep shows nothing: the sweep's page reads its results.

    Args:
        config: the job's configuration.
        title, where: the workload, and the topology that it runs on, for people.
        console: records the stages.
        folder: the run directory.
        names: names of callables by hashid, as far as they are known.
        in_sweep: whether it is one of several jobs.
        handed: the value of ``hand_over`` from the process that began this job; None if this process began it.

    Raises:
        ConfigurationError: the port cannot be used; the message names the key.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        title: str,
        where: str,
        console: Console,
        folder: Path,
        *,
        names: Callable[[], Mapping[str, str]],
        in_sweep: bool,
        handed: Mapping[str, Any] | None,
    ) -> None:
        self._folder = folder
        self._running = Running(title, where, console, folder, names)
        self._own: LivePage | None = None
        if not in_sweep:
            begun = handed or {"port": config["live_port"]}
            self._own = LivePage(title, **begun)
            if handed is None:
                self._own.say(console, people=config["output"] in FOR_PEOPLE)
        page = self._own or page_of_sweep()
        if page is not None:
            page.run(self._running)

    def works_on(self, worker: Worker | None) -> None:
        """Shows the work of a Worker; None: it is about to end."""
        self._running.worker = worker

    def hand_over(self) -> Mapping[str, Any] | None:
        """Ends serving, for the process that continues the job. Returns the value for that process's LiveJob."""
        return self._own.hand_over() if self._own is not None else None

    def end(self, result: Mapping[str, Any] | None) -> None:
        """Sends the job's result to the page, and ends serving.

        Args:
            result: the document that was written; None if none could be.
        """
        if self._own is not None:
            self._own.end(_ending(result, self._folder / REPORT) if result is not None else None)
        elif (page := page_of_sweep()) is not None:
            page.run(None)


def _ending(result: Mapping[str, Any], report: Path) -> Ending:
    return Ending(str(result["status"]), int(result["exit_code"]), str(result["error"] or ""), report)
