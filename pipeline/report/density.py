"""How busy lanes were in equal pieces of time, to draw the tasks that a page does not hold one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_MOST_CELLS = 48_000
"""Total number of pieces of all lanes."""
_FEWEST, _MOST = 128, 1024


def bin_count(lanes: int) -> int:
    """The number of pieces of each lane, for ``lanes`` lanes."""
    return max(_FEWEST, min(_MOST, _MOST_CELLS // max(1, lanes)))


class Spans(NamedTuple):
    """Spans of one lane, as arrays of equal length; times are nanoseconds."""

    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    name: npt.NDArray[np.int64]


def busy(begin: npt.NDArray[np.int64], end: npt.NDArray[np.int64], whole: int, bins: int) -> npt.NDArray[np.float64]:
    """The nanoseconds of the spans within each of ``bins`` equal pieces of ``[0, whole]``."""
    edges = np.arange(bins + 1, dtype=np.float64) * (whole / bins)
    return np.diff(_until(np.sort(begin), edges) - _until(np.sort(end), edges))


def _until(times: npt.NDArray[np.int64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each edge, the sum of its distances to the earlier times."""
    before = np.searchsorted(times, edges)
    sums = np.concatenate(([0.0], np.cumsum(times, dtype=np.float64)))
    return before * edges - sums[before]


def counts(times: npt.NDArray[np.int64], whole: int, bins: int) -> npt.NDArray[np.int64]:
    """The number of times in each piece."""
    places = np.minimum((times * (bins / max(1, whole))).astype(np.int64), bins - 1)
    return np.bincount(places, minlength=bins)


def lane_bins(spans: Spans, whole: int, bins: int) -> tuple[list[int], list[int], list[int], list[int]]:
    """The pieces of one lane that have spans: their numbers, their busy thousandths, the number of spans that begin in
    each, and the name that takes most of the time."""
    names = np.unique(spans.name)
    by_name = np.array([busy(spans.begin[(of := spans.name == n)], spans.end[of], whole, bins) for n in names])
    begun = counts(spans.begin, whole, bins)
    total = by_name.sum(axis=0)
    shown = np.flatnonzero((total > 0) | (begun > 0))
    share = np.ceil(total[shown] * (1000 * bins / max(1, whole))).astype(np.int64)
    return (
        shown.tolist(),
        np.minimum(share, 1000).tolist(),
        begun[shown].tolist(),
        names[by_name.argmax(axis=0)[shown]].tolist(),
    )
