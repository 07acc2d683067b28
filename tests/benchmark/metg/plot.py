"""A picture of METG (SVG): a line for each pattern and number of workers, a dot for each contender."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape

from tests.benchmark.measure import Row
from tests.benchmark.metg.output import contenders_of, key
from tests.benchmark.plot import BAR, Scale, framed, label, top_of

_COLOURS = ("#2f6fb0", "#58a0e0", "#9cc4ea", "#c8553d", "#e0962f", "#8a8f98", "#7b5aa6", "#4d9a6a", "#b3478f")
_BY_CLOCK = 4.5
"""The radius of a ring. A dot that is filled stands for processor time, a ring for time by the clock."""


def drawn(rows: Sequence[Row]) -> str:
    """The picture. Raises ValueError if nothing was measured."""
    names = contenders_of(rows)
    places = list(dict.fromkeys(key(row)[1:] for row in rows))
    dots = [
        (places.index(key(row)[1:]), key(row)[0], names.index(name), statistics.median(rounds))
        for row in rows
        for name, rounds in row.figures.items()
        if rounds
    ]
    if not dots:
        raise ValueError("no contender reached half: there is nothing to draw")
    scale = Scale.over(value for *_, value in dots)
    style = (
        "".join(f"  .c{i} {{ fill: {c}; stroke: {c}; }} " for i, c in enumerate(_COLOURS)) + ".ring { fill: none; }\n"
    )
    title = "The smallest task of which half is work, in microseconds (medians)"
    caption = f"{title}: filled by processor time, ring by the clock"
    parts = framed(scale, len(places) + len(names), title, caption, style)
    for i, (pattern, workers) in enumerate(places):
        parts += [label(i, f"{pattern}, {workers} worker{'s' if workers > 1 else ''}")]
    for place, clock, name, value in dots:
        kind = f"c{name} ring" if clock == "wall" else f"c{name}"
        centre = f'cx="{scale.at(value)}" cy="{top_of(place) + BAR / 2}" r="{_BY_CLOCK}"'
        parts += [f'<circle class="{kind}" {centre}><title>{escape(names[name])} {value:.3g}</title></circle>']
    for i, name in enumerate(names):
        line = len(places) + i
        parts += [
            f'<circle class="c{i}" cx="{scale.at(10.0**scale.low)}" cy="{top_of(line) + BAR / 2}" r="{_BY_CLOCK}"/>'
        ]
        parts += [label(line, name)]
    return "\n".join([*parts, "</svg>"]) + "\n"
