"""A heat map: two parameters, and in each cell the quality of its best point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.report.plot.drawing import Drawing, cut

_LEFT, _TOP, _BOTTOM, _WIDTH, _ROW = 110, 10, 52, 640, 34
_FAINTEST = 0.12


def heat_map(
    title: str,
    columns: tuple[str, Sequence[str]],
    rows: tuple[str, Sequence[str]],
    cells: Mapping[tuple[str, str], tuple[float, str]],
    bad: Mapping[tuple[str, str], str],
) -> str:
    """The map as an element.

    Args:
        title: the title of the map.
        columns: the parameter of the columns and its values, in order.
        rows: the parameter of the rows and its values, in order.
        cells: by the values of both: the quality from 0 to 1 (darkest), and the text of the cell.
        bad: cells without a figure, with the reason.
    """
    height = _TOP + _ROW * len(rows[1]) + _BOTTOM
    told = "; ".join(f"{columns[0]} {x}, {rows[0]} {y}: {words}" for (x, y), (_, words) in cells.items())
    drawing = Drawing(_WIDTH, height, f"{title}: {told}")
    wide = (_WIDTH - _LEFT - 10) / len(columns[1])
    bottom = height - _BOTTOM
    for j, value in enumerate(rows[1]):
        drawing.text(_LEFT - 10, _TOP + (j + 0.5) * _ROW + 4, cut(value, 10), "end")
    for i, value in enumerate(columns[1]):
        drawing.text(_LEFT + (i + 0.5) * wide, bottom + 18, cut(value, max(3, int(wide / 7))), "middle")
        for j, other in enumerate(rows[1]):
            left, top = _LEFT + i * wide, _TOP + j * _ROW
            found = cells.get((value, other))
            if found is not None:
                good, words = found
                opacity = _FAINTEST + (1 - _FAINTEST) * good
                drawing.box(
                    left + 1, top + 1, wide - 2, _ROW - 2, kind="f0", words=words, style=f"fill-opacity: {opacity:.2f}"
                )
                kind = "on" if opacity > 0.6 else "title"
                if wide > 52 and (opacity > 0.75 or opacity < 0.4):
                    drawing.text(left + wide / 2, top + _ROW / 2 + 4, words.partition(",")[0], "middle", kind=kind)
            elif (value, other) in bad:
                drawing.text(left + wide / 2, top + _ROW / 2 + 4, "\u00d7", "middle", kind="title")
    drawing.text((_LEFT + _WIDTH) / 2, height - 10, columns[0], "middle", kind="title")
    drawing.text(16, (_TOP + bottom) / 2, rows[0], "middle", kind="title", turn=-90)
    return drawing.svg()
