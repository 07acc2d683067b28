"""What the workers of a run write to standard error, kernels' log lines among it: passed on as it comes, its end kept.

Standard error of this process becomes a pipe while workers may start, because they inherit it; a thread passes on what
comes through. There is one pipe a process, for as long as that lives: workers are handed from one job to the next.
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
"""Bytes: several reports of a sanitizer."""


class WorkerOutput:
    """Keeps the end of what is written to standard error while it is watched, and after that by workers."""

    def __init__(self) -> None:
        self._pipe: tuple[int, int] | None = None
        self._real = -1
        self._lock = threading.Lock()
        self._kept = bytearray()
        self._all = 0
        """Bytes so far, of which ``_kept`` has the last."""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """While the block runs, whatever starts writes its standard error where this sees it.

        A process without a standard error is left as it is.
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
                # From here on standard error is itself again: what idle workers say goes there.
                os.close(self._real)
                self._real = _STDERR

    def mark(self) -> int:
        """Where the output is now, for ``since``."""
        with self._lock:
            self._pass_on()
            return self._all

    def since(self, mark: int) -> str:
        """What was written since then, as far as it is kept; all that was written before this was called is in it."""
        with self._lock:
            self._pass_on()
            wanted = min(self._all - mark, len(self._kept))
            return self._kept[len(self._kept) - wanted :].decode("utf-8", "replace")

    def _past_the_pipe(self, given: TextIO) -> TextIO:
        """What this process itself writes is for people at once, and is not of a worker."""
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
        """Takes what is in the pipe. With the lock held."""
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
            with contextlib.suppress(OSError):  # standard error is not read any more: a run does not end with it
                _write_all(self._real, piece)


def _write_all(descriptor: int, piece: bytes) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]


WORKER_OUTPUT = WorkerOutput()
"""That of this process."""
