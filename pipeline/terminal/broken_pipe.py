"""Handles a reader of standard output that goes away, as in ``callring | head -1``: the run ends silently."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer


class ReaderGone(KeyboardInterrupt):
    """The reader of standard output has gone. A KeyboardInterrupt, so that running work ends and cleans up."""

    exit_code = 141
    """The exit code that a shell reports for a program that SIGPIPE ended."""


class _Watched(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        """Raises ReaderGone."""
        try:
            return super().write(data)
        except BrokenPipeError:
            abandon()


def abandon() -> NoReturn:
    """Raises ReaderGone; later output is dropped without an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    raise ReaderGone


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """While the block runs, writing to ``sys.stdout`` raises ReaderGone instead of BrokenPipeError.

    Raises:
        ReaderGone: also at the end of the block, for buffered output.
    """
    given = sys.stdout
    if not isinstance(given, io.TextIOWrapper):
        yield
        return
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Watched(given.fileno(), "w", closefd=False)),
        encoding=given.encoding,
        errors=given.errors,
        line_buffering=given.line_buffering,
        write_through=given.write_through,
    )
    yield
    sys.stdout.flush()
