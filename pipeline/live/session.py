"""The live page of this process: begun by a run or by a sweep, and ended with it, even if that fails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipeline.live.page import live_page
from pipeline.live.running import Look, Running
from pipeline.live.server import LiveServer

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pipeline.terminal.console import Console

_of_sweep: list[LivePage] = []
"""The page of the sweep whose points run in this process, if it has one."""


def page_of_sweep() -> LivePage | None:
    """The page of the sweep whose points run in this process, if it has one."""
    return _of_sweep[-1] if _of_sweep else None


class Swept(Protocol):
    """A sweep, as its page reads it from other threads."""

    def tell(self, running: Path | None) -> dict[str, Any]:
        """The state of its points now.

        Args:
            running: the run directory of the job that runs in this process, if one does.
        """

    def report(self, number: int) -> Path | None:
        """The report of a job that ended; None if there is none."""


class Ending(NamedTuple):
    """How the run or sweep ended, for the page."""

    status: str
    exit_code: int
    error: str
    report: Path
    """The report's file; the page shows it, and its address."""


class LivePage:
    """Serves until ``end`` is called.

    Args:
        title: the title of the window.
        port: the port; 0: any free one.
        sweep: the sweep of the page; None: the page is that of one run.
        token: as for LiveServer.

    Raises:
        ConfigurationError: the port cannot be used; the message names the key.
    """

    def __init__(self, title: str, port: int, sweep: Swept | None = None, token: str = "") -> None:
        self._sweep = sweep
        self._running: Running | None = None
        report = sweep.report if sweep is not None else lambda _: None
        self._server: LiveServer | None = LiveServer(port, token, live_page(title).encode(), self._told, report)
        self.url = self._server.url
        if sweep is not None:
            _of_sweep.append(self)

    def say(self, console: Console, *, people: bool) -> None:
        """Prints its address; on standard error where standard output is not for people."""
        line = f"{'live':<12}{self.url}"
        if people:
            console.line(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def run(self, running: Running | None) -> None:
        """Shows a run from now on; None: no run is under way in this process."""
        self._running = running

    def hand_over(self) -> dict[str, Any]:
        """Ends serving, so that another process can serve this address. Returns the arguments of its ``LivePage``."""
        server, self._server = self._server, None
        assert server is not None
        server.close(None)
        return {"port": server.port, "token": server.token}

    def end(self, ending: Ending | None) -> None:
        """Sends the end to the page, and ends serving. Does nothing where another process serves.

        Args:
            ending: how the run or sweep ended; None if it failed to write results.
        """
        server, self._server = self._server, None
        if self in _of_sweep:
            _of_sweep.remove(self)
        if server is not None:
            server.close({"end": _ended(ending)})

    def _told(self) -> Generator[dict[str, Any], None, None]:
        look = Look()
        while True:
            running = self._running
            sweep = self._sweep.tell(running.folder if running else None) if self._sweep is not None else None
            yield {"run": running.tell(look) if running else None, "sweep": sweep}


def _ended(ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        words = "There is no report; the output in the terminal shows why."
        return {"status": "ended", "exit_code": 1, "error": words, "report": "", "html": ""}
    try:
        html = ending.report.read_text(encoding="utf-8")
    except OSError:
        html = ""
    return {
        "status": ending.status,
        "exit_code": ending.exit_code,
        "error": ending.error,
        "report": ending.report.absolute().as_uri() if html else "",
        "html": html,
    }
