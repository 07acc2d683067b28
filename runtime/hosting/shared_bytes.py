"""Memory that two processes of this machine share, for the large contents of messages between them.

One process writes, the other reads; the messages themselves say when. A socket would copy each content twice more, into
pages that have to be cleared first.
"""

from __future__ import annotations

import mmap
import os
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT = 256 << 20
"""Bytes above which the memory shrinks again when a message needs less."""
_ALIGNED = 64
"""What a content's first byte is a multiple of."""


class Span(NamedTuple):
    """Stands for a content that is in shared memory."""

    begin: int
    end: int


class SharedBytes:
    """One end of the shared memory.

    Args:
        descriptor: of the memory; -1 makes it.
    """

    def __init__(self, descriptor: int = -1) -> None:
        self.descriptor = descriptor if descriptor >= 0 else os.memfd_create("callring-contents")
        self._map: mmap.mmap | None = None
        weakref.finalize(self, os.close, self.descriptor)

    def put(self, contents: Sequence[Any]) -> list[Span]:
        """Writes buffers, in place of those of the last call. They can be read until the next call."""
        spans: list[Span] = []
        end = 0
        views = [memoryview(content).cast("B") for content in contents]
        for view in views:
            begin = -(-end // _ALIGNED) * _ALIGNED
            end = begin + view.nbytes
            spans.append(Span(begin, end))
        size = os.fstat(self.descriptor).st_size
        if end > size or (size > _KEPT and end < size):
            os.ftruncate(self.descriptor, end)
            self._map = None
        for view, span in zip(views, spans, strict=True):
            self._mapped(end)[span.begin : span.end] = view
        return spans

    def view(self, span: Span) -> memoryview:
        """A content that the other process wrote, until it writes the next ones."""
        return memoryview(self._mapped(span.end))[span.begin : span.end]

    def _mapped(self, size: int) -> mmap.mmap:
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self.descriptor, 0)
        return self._map
