"""The standard error of a run's workers, including kernels' log lines: passed on at once, with its end kept.

Standard error of this process becomes a pipe while workers may start, because they inherit it; a thread passes its
contents on. A process has one such pipe until its end, because workers are reused by the next jobs.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2
_KEPT = 64 * 1024
"""Bytes that are kept, enough for several reports of a sanitizer."""


class WorkerOutput:
    """Keeps the end of the standard error: of all processes while it is watched, and of workers after that."""

    def __init__(self) -> None:
        self._pipe: tuple[int, int] | None = None
        self._real = -1
        self._lock = threading.Lock()
        self._kept = bytearray()
        self._all = 0
        """Number of bytes so far; ``_kept`` has the last ones."""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Processes that start in the block write their standard error into the pipe.

        A process without a standard error is not changed.
        """
        try:
            self._real = os.dup(_STDERR)
        except OSError:
            yield
            return
        given = sys.stderr
        try:
            os.dup2(self._opened()[1], _STDERR)
            sys.stderr = self._past_the_pipe(given)
            yield
        finally:
            sys.stderr.flush()
            sys.stderr = given
            os.dup2(self._real, _STDERR)
            with self._lock:
                self._pass_on()
                # From here on, standard error is the original one: output of idle workers goes there.
                os.close(self._real)
                self._real = _STDERR

    def mark(self) -> int:
        """The current position, for ``since``."""
        with self._lock:
            self._pass_on()
            return self._all

    def since(self, mark: int) -> str:
        """The kept output since then, including all output before this call."""
        with self._lock:
            self._pass_on()
            wanted = min(self._all - mark, len(self._kept))
            return self._kept[len(self._kept) - wanted :].decode("utf-8", "replace")

    def _past_the_pipe(self, given: TextIO) -> TextIO:
        """Lets the process's own messages bypass the pipe: they are not output of a worker."""
        if not isinstance(given, io.TextIOWrapper) or given.fileno() != _STDERR:
            return given
        raw = os.fdopen(self._real, "wb", closefd=False)
        return io.TextIOWrapper(raw, encoding=given.encoding, errors=given.errors, line_buffering=True)

    def _opened(self) -> tuple[int, int]:
        if self._pipe is None:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(reader, False)
            self._pipe = reader, writer
            threading.Thread(target=self._go_on, args=(reader,), name="worker output", daemon=True).start()
        return self._pipe

    def _go_on(self, reader: int) -> None:
        ready = select.poll()
        ready.register(reader, select.POLLIN)
        while True:
            ready.poll()
            with self._lock:
                self._pass_on()

    def _pass_on(self) -> None:
        """Reads the contents of the pipe. The caller holds the lock."""
        if self._pipe is None:
            return
        while True:
            try:
                piece = os.read(self._pipe[0], _KEPT)
            except BlockingIOError:
                return
            self._all += len(piece)
            self._kept += piece
            del self._kept[:-_KEPT]
            with contextlib.suppress(OSError):  # without a reader of standard error, the run continues
                _write_all(self._real, piece)


def _write_all(descriptor: int, piece: bytes) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]


WORKER_OUTPUT = WorkerOutput()
"""The WorkerOutput of this process."""
