"""The task graph as an SVG: time from left to right, one row for each chip and one for the sub-workers.

Tasks of one callable, in one place and of equal depth, are one box with their number: a picture of a million tasks is
as large as one of ten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from pipeline.report.frame import palette
from pipeline.report.plot.drawing import COLOURS

if TYPE_CHECKING:
    from pipeline.plan.model import Plan, PlannedGraph

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _LEFT, _TOP = 120, 34, 60, 12, 110, 60
_Box = tuple[int, str, str]
"""Depth, place and callable."""


def graph_svg(plan: Plan) -> str:
    """The picture, self-contained."""
    graph = plan.graph
    boxes, edges = _merged(graph)
    places, positions, rows = _laid_out(boxes)
    columns = 1 + max((depth for depth, _, _ in boxes), default=0)
    width, height = _LEFT + columns * (_WIDTH + _GAP_X), _TOP + rows * (_HEIGHT + _GAP_Y) + 20
    colours = {name: i % COLOURS for i, name in enumerate(dict.fromkeys(box[2] for box in boxes))}
    title = f"{plan.workload} on {plan.topology}: {len(graph.tasks)} tasks, {graph.edges} dependencies"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f"<style>{palette()} text {{ fill: var(--text) }} text.on {{ fill: var(--on) }}</style>",
        f'<rect width="{width}" height="{height}" style="fill: var(--paper)"/>',
        f'<text x="12" y="26" font-size="16">{escape(title)}</text>',
    ]
    parts += [f'<text x="12" y="{y + 21}">{escape(place)}</text>' for place, y in places.items()]
    parts += [_curve(positions[begin], positions[end]) for begin, end in sorted(edges)]
    parts += [_box(positions[box], box[2], count, colours[box[2]]) for box, count in boxes.items()]
    return "\n".join([*parts, "</svg>", ""])


def _merged(graph: PlannedGraph) -> tuple[dict[_Box, int], set[tuple[_Box, _Box]]]:
    depths = graph.depths()
    of = [(depth, task.where, task.callable) for depth, task in zip(depths, graph.tasks, strict=True)]
    boxes: dict[_Box, int] = {}
    for box in of:
        boxes[box] = boxes.get(box, 0) + 1
    edges = {(of[earlier], box) for box, task in zip(of, graph.tasks, strict=True) for earlier in task.after}
    return boxes, edges


def _laid_out(boxes: dict[_Box, int]) -> tuple[dict[str, int], dict[_Box, tuple[int, int]], int]:
    """The y of each place, the (x, y) of each box, and the number of rows."""
    lanes: dict[tuple[str, int], list[str]] = {}
    for depth, where, name in sorted(boxes):
        lanes.setdefault((where, depth), []).append(name)
    needed: dict[str, int] = {}
    for (where, _), names in lanes.items():
        needed[where] = max(needed.get(where, 0), len(names))
    places: dict[str, int] = {}
    row = 0
    for where in sorted(needed, key=lambda where: (not where.startswith("chip"), len(where), where)):
        places[where] = _TOP + row * (_HEIGHT + _GAP_Y)
        row += needed[where]
    positions = {
        (depth, where, name): (_LEFT + depth * (_WIDTH + _GAP_X), places[where] + slot * (_HEIGHT + _GAP_Y))
        for (where, depth), names in lanes.items()
        for slot, name in enumerate(names)
    }
    return places, positions, row


def _curve(begin: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = (begin[0] + _WIDTH, begin[1] + _HEIGHT // 2), (end[0], end[1] + _HEIGHT // 2)
    bend = _GAP_X // 2
    path = f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" style="stroke: var(--quiet)" stroke-width="1"/>'


def _box(at: tuple[int, int], name: str, count: int, colour: int) -> str:
    text = name if count == 1 else f"{name} \N{MULTIPLICATION SIGN} {count}"
    x, y = at
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="4" style="fill: var(--c{colour})"/>'
        f'<text class="on" x="{x + _WIDTH // 2}" y="{y + 21}" text-anchor="middle">{escape(text)}</text>'
    )
