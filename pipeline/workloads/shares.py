"""Divides work over chips: contiguous, disjoint shares whose sizes differ by at most one; no share is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def shares(total: int, chips: tuple[int, ...]) -> Iterator[tuple[int, slice]]:
    """Yields (chip, range of items). With fewer items than chips, the last chips have no share."""
    share, extra = divmod(total, len(chips))
    begin = 0
    for position, chip in enumerate(chips):
        end = begin + share + (position < extra)
        if end > begin:
            yield chip, slice(begin, end)
        begin = end


def pieces(total: int, size: int) -> Iterator[slice]:
    """Yields ranges of ``size`` items; the last one may be shorter."""
    for begin in range(0, total, size):
        yield slice(begin, min(begin + size, total))
