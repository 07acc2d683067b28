"""Axes of charts: map values to places between two ends, with round ticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_MOST_TICKS = 9


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart."""

    title: str
    ticks: Sequence[tuple[float, str]]
    """The ticks: values in ascending order, with their labels."""
    low: float
    high: float
    """The values at the two ends."""
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """The place of a value: 0 at the low end, 1 at the high end."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def parameter_axis(
    title: str, values: Sequence[float], labels: Sequence[str], *, may_be_logarithmic: bool = True
) -> Axis:
    """An axis of a swept parameter, with ticks at its values: logarithmic if they span a factor of 4 or more.

    Args:
        title: the parameter.
        values: ascending, distinct, at least one.
        labels: the label of each value.
        may_be_logarithmic: whether it may be; False for an axis of counts.
    """
    low, high = values[0], values[-1]
    logarithmic = may_be_logarithmic and low > 0 and high / low >= 4
    if low == high:
        low, high = low - 1, high + 1
    margin = 0.04
    step = -(-len(values) // _MOST_TICKS)
    shown = {*range(0, len(values) - step + 1, step), len(values) - 1} if step > 1 else set(range(len(values)))
    ticks = [(value, label) for i, (value, label) in enumerate(zip(values, labels, strict=True)) if i in shown]
    if logarithmic:
        factor = (high / low) ** margin
        return Axis(title, ticks, low / factor, high * factor, True)
    width = (high - low) * margin
    return Axis(title, ticks, low - width, high + width)


def figure_axis(title: str, values: Sequence[float], label: Callable[[float], str], *, from_zero: bool = True) -> Axis:
    """An axis of a measured figure: from 0, or logarithmic if the values span a factor of 20 or more.

    Args:
        title: the figure.
        values: at least one, none negative.
        label: formats a value.
        from_zero: whether an axis that is not logarithmic begins at 0; else it begins close below the lowest value.
    """
    low, high = min(values), max(values)
    if low > 0 and high / low >= 20:
        return log_axis(title, low / 1.15, high * 1.15, label)
    low = 0.0 if from_zero else low
    high = high + (high - low) * 0.08 or 1.0
    step = _round_step((high - low) / 5)
    first = math.ceil(low / step - 1e-9)
    ticks = range(first, int(high / step) + 1)
    return Axis(title, [(i * step, label(i * step)) for i in ticks], low, high)


def log_axis(title: str, low: float, high: float, label: Callable[[float], str]) -> Axis:
    """A logarithmic axis between two positive ends, with round ticks."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    bases = (1, 2, 5) if last - first < 4 else (1,)
    places = [base * 10.0**power for power in range(first, last + 1) for base in bases]
    return Axis(title, [(at, label(at)) for at in places if low <= at <= high], low, high, True)


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(base * power for base in (1, 2, 2.5, 5, 10) if base * power >= raw * (1 - 1e-9))
