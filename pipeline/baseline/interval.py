"""The ratio of two medians with a confidence interval, by a bootstrap over repeated measurements.

A circular block bootstrap: successive measurements are correlated by the state of the machine (other load, the clock
rate), so they are resampled in blocks of successive values. The length of a block is the cube root of their number.
Source: D. N. Politis, J. P. Romano, A circular block-resampling procedure for stationary data, 1992.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_RUNS = 8
"""Measurements on either side below which there is no interval: with fewer, resampling is not reliable."""
_FEWEST_RESAMPLES, _MOST_RESAMPLES = 4000, 20000
_AT_ONCE = 1 << 21
"""Random numbers that are drawn at once, for a series of any length."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of medians, new to old: 2 is twice as long as before."""

    ratio: float
    low: float | None
    """Low end of the interval; None if there were too few measurements for one."""
    high: float | None

    @property
    def verdict(self) -> str:
        """``"slower"`` or ``"faster"`` if the interval excludes 1, ``"unknown"`` if there is none, else ``"same"``."""
        if self.low is None or self.high is None:
            return "unknown"
        return "slower" if self.low > 1 else "faster" if self.high < 1 else "same"

    def surely_above(self, threshold: float) -> bool:
        """Whether the whole interval is above a threshold."""
        return self.low is not None and self.low > threshold


def ratio_of_medians(old: Sequence[float], new: Sequence[float], confidence: float) -> Ratio:
    """Compares two series of positive measurements, each in the order in which it was taken.

    Args:
        old: the earlier measurements, at least one.
        new: the later ones, at least one.
        confidence: confidence of the interval, for instance 0.99.

    The same series give the same interval.
    """
    before, after = np.asarray(old, dtype=np.float64), np.asarray(new, dtype=np.float64)
    ratio = float(np.median(after) / np.median(before))
    if min(len(before), len(after)) < LEAST_RUNS:
        return Ratio(ratio, None, None)
    random = np.random.default_rng(0)
    resamples = int(min(_MOST_RESAMPLES, max(_FEWEST_RESAMPLES, 20 / (1 - confidence))))
    ratios = _medians(after, resamples, random) / _medians(before, resamples, random)
    low, high = np.quantile(ratios, ((1 - confidence) / 2, (1 + confidence) / 2))
    return Ratio(ratio, float(min(low, ratio)), float(max(high, ratio)))


def _medians(series: npt.NDArray[np.float64], resamples: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Medians of resampled series."""
    count = len(series)
    length = round(count ** (1 / 3))
    blocks = -(-count // length)
    medians = []
    for begin in range(0, resamples, step := max(1, _AT_ONCE // count)):
        starts = random.integers(0, count, (min(step, resamples - begin), blocks, 1))
        places = (starts + np.arange(length)).reshape(len(starts), -1)[:, :count] % count
        medians.append(np.median(series[places], axis=1))
    return np.concatenate(medians)
