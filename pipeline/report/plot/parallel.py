"""Parallel coordinates: one axis a parameter, one line a point, the better the stronger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.plot.drawing import Drawing, cut

_WIDTH, _HEIGHT, _SIDE, _TOP, _BOTTOM = 900, 330, 90, 20, 44


@dataclass(frozen=True, slots=True)
class Thread:
    """One point."""

    places: Sequence[float]
    """On each axis, from 0 at its lower end to 1."""
    good: float
    """From 0 to 1, which is best."""
    words: str
    best: bool = False


def parallel_plot(
    title: str, axes: Sequence[tuple[str, Sequence[tuple[float, str]]]], threads: Sequence[Thread]
) -> str:
    """The plot as an element.

    Args:
        title: of the plot.
        axes: at least two, each its name and its ticks, from 0 to 1.
        threads: the points; those drawn last lie on top, which are the best.
    """
    best = next((thread.words for thread in threads if thread.best), "")
    drawing = Drawing(_WIDTH, _HEIGHT, f"{title}; best: {best}")
    step = (_WIDTH - 2 * _SIDE) / (len(axes) - 1)
    bottom = _HEIGHT - _BOTTOM

    def y(place: float) -> float:
        return bottom - place * (bottom - _TOP)

    for thread in sorted(threads, key=lambda thread: (thread.best, thread.good)):
        line = [(_SIDE + i * step, y(place)) for i, place in enumerate(thread.places)]
        kind = "curve lgood" if thread.best else "curve l0" if thread.good > 0.75 else "background"
        drawing.path(line, kind, words=thread.words)
    for i, (name, ticks) in enumerate(axes):
        x = _SIDE + i * step
        drawing.line(x, _TOP, x, bottom, kind="axis")
        drawing.text(x, _HEIGHT - 14, cut(name, 22), "middle", kind="title")
        for place, label in ticks:
            drawing.line(x - 4, y(place), x + 4, y(place), kind="axis")
            drawing.text(x - 8, y(place) + 4, cut(label, 12), "end")
    return drawing.svg()
