"""A small read-only HTTP server for one page: on 127.0.0.1 only, and only for readers that have its token.

Every user of this machine can send requests to an address on it, and so can every page of the web, through a browser.
So the path begins with a token that is new for each run, the Host header must name this machine (a foreign name that
resolves to this machine is refused), only GET is answered, and no part of a path becomes the name of a file.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import itertools
import json
import secrets
import socket
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    Told = Callable[[], Generator[dict[str, Any], None, None]]
    """Begins a connection: returns a generator of the messages to this reader."""

HOST = "127.0.0.1"
_PORTS = 65535
_EVERY = 1.0
"""Seconds between two messages to a reader."""
_MOST_READERS = 16
"""Most readers at once; further ones are refused."""
_MOST_CONNECTIONS = 64
"""Most connections at once, those of readers included; further ones are closed."""
_PATIENCE = 10.0
"""Seconds after which a reader that takes no message is dropped."""
_FAREWELL = 2.0
"""Seconds that readers have to take the last message."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LiveServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves from its creation until ``close``, in threads of its own.

    Args:
        port: the port; 0: any free one.
        token: the beginning of the path; empty: a new token.
        page: the document.
        told: called once for each reader; returns a generator of its messages.
        report: returns the report of a point of a sweep, by the point's number; None if there is none.

    Raises:
        ConfigurationError: the port cannot be used; the message names the key.
    """

    allow_reuse_address = True  # reuses the port of an earlier run, not of one that still serves
    allow_reuse_port = False
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, token: str, page: bytes, told: Told, report: Callable[[int], Path | None]) -> None:
        if not 0 <= port <= _PORTS:
            raise ConfigurationError(f"live_port={port}: 0 to {_PORTS}, where 0 is any free port")
        self.token = token or secrets.token_urlsafe(16)
        self.page, self.told, self.report = page, told, report
        self.ended = threading.Event()
        self.last: dict[str, Any] | None = None
        """The last message to readers, once ``ended`` is set; None: no further message."""
        self._readers = threading.Semaphore(_MOST_READERS)
        self._served = threading.Condition()
        self._open: set[Any] = set()
        """Connections; guarded by ``_served``."""
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            why = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            said = f"live_port={port}: {why}; choose another, or 0 for any free port"
            raise ConfigurationError(said) from None
        self._thread = threading.Thread(target=self._accept, name="live page", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    def close(self, last: dict[str, Any] | None) -> None:
        """Sends all readers a last message, if there is one, and ends after a short wait for slow readers."""
        self.last = last
        self.ended.set()
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for connections
        self._thread.join()
        self.server_close()
        with self._served:
            self._served.wait_for(lambda: not self._open, _FAREWELL)
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # its thread closes it

    def _accept(self) -> None:
        while not self.ended.is_set():
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for a connection."""
        with self._served:
            return len(self._open) < _MOST_CONNECTIONS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Passes a connection to a thread of its own."""
        with self._served:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection."""
        super().shutdown_request(request)
        with self._served:
            self._open.discard(request)
            self._served.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a reader that disconnects; prints any other error, which is a defect of this code."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def one_more_reader(self) -> bool:
        """Whether there is room for another reader; ``one_reader_less`` frees the place."""
        return self._readers.acquire(blocking=False)

    def one_reader_less(self) -> None:
        """Frees a place that ``one_more_reader`` took."""
        self._readers.release()


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Answers the page, its messages, or the report of a point."""
        hosts = {f"{name}:{self.server.port}" for name in (HOST, "localhost")}
        if self.headers.get_all("Host", []) not in [[host] for host in hosts]:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, f"this is {HOST}:{self.server.port} and no other host\n")
            return
        begin = f"/{self.server.token}/"
        if not hmac.compare_digest(self.path[: len(begin)].encode(), begin.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "no such page: is it the address of this run?\n")
            return
        inside = self.path[len(begin) :]
        if not inside:
            self._answer(self.server.page)
        elif inside == "events":
            self._tell(self.server.told())
        elif inside == "end":
            self._tell(itertools.repeat(None))
        elif (number := _point(inside)) is not None and (path := self.server.report(number)) is not None:
            self._answer(path.read_bytes())
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page of this run\n")

    def _not_get(self) -> None:
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "only GET: this page changes nothing\n", Allow="GET")

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _not_get  # noqa: N815

    def _tell(self, telling: Iterable[dict[str, Any] | None]) -> None:
        """Sends a reader the state of the run every second, and its end: server-sent events (WHATWG HTML, 9.2).

        Args:
            telling: yields the messages; None is a keep-alive, which fails if the page is gone.
        """
        if not self.server.one_more_reader():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"{_MOST_READERS} pages of this run are open\n")
            return
        try:
            self._head(HTTPStatus.OK, "text/event-stream; charset=utf-8")
            self.wfile.write(b"retry: 1000\n\n")
            for told in telling:
                self._say(told)
                if self.server.ended.wait(_EVERY):
                    break
            if self.server.last is not None:
                self._say(self.server.last)
        finally:
            self.server.one_reader_less()

    def _say(self, told: dict[str, Any] | None) -> None:
        line = ":" if told is None else f"data: {json.dumps(told, separators=(',', ':'), allow_nan=False)}"
        self.wfile.write(f"{line}\n\n".encode())

    def _head(self, status: HTTPStatus, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, document: bytes) -> None:
        self._head(HTTPStatus.OK, "text/html; charset=utf-8", **{"Content-Length": str(len(document))})
        self.wfile.write(document)

    def _refuse(self, status: HTTPStatus, words: str, **headers: str) -> None:
        self._head(status, "text/plain; charset=utf-8", **headers)
        if self.command != "HEAD":
            self.wfile.write(words.encode())

    def version_string(self) -> str:
        """Names no versions of software."""
        return "callring"

    def log_message(self, *_: Any) -> None:
        """Logs nothing: the terminal belongs to the run."""


def _point(inside: str) -> int | None:
    """The number in ``point/12``; None for any other path."""
    name, _, number = inside.partition("/")
    return int(number) if name == "point" and number.isascii() and number.isdigit() and len(number) < 10 else None
