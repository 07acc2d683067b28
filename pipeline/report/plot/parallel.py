"""Parallel coordinates: one axis for each parameter, one line for each point; better points have stronger lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.plot.drawing import Drawing, cut

_WIDTH, _HEIGHT, _SIDE, _TOP, _BOTTOM = 900, 330, 90, 20, 44


@dataclass(frozen=True, slots=True)
class Thread:
    """One point."""

    places: Sequence[float]
    """Its place on each axis, from 0 at the lower end to 1."""
    good: float
    """Its quality, from 0 to 1 (best)."""
    words: str
    best: bool = False


def parallel_plot(
    title: str, axes: Sequence[tuple[str, Sequence[tuple[float, str]]]], threads: Sequence[Thread]
) -> str:
    """The plot as an element.

    Args:
        title: the title of the plot.
        axes: at least two, each with its name and its ticks, from 0 to 1.
        threads: the points; the best ones come last and are drawn on top.
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
