"""``python -m tests.docs.diagrams`` draws docs/pictures/*.svg from docs/pictures/sources/*.yaml.

A source has a ``title`` and either ``boxes`` and ``arrows``, or the ``lanes`` and ``steps`` of a sequence:

- ``boxes``: by name, ``at: [x, y]`` of the upper left corner, ``size: [width, height]``, ``text``, and ``kind``:
  ``frame`` (around other boxes), ``plain``, ``strong`` or ``end``;
- ``arrows``: ``from`` and ``to`` (a box, or ``box.left``, ``.right``, ``.top``, ``.bottom``, with ``+20`` after it to
  move along that side), ``text``, ``via`` (points), ``at`` (where the text stands), ``dashed``, ``both`` (two heads);
- ``lanes``: names of the columns; ``steps``: ``from``, ``to`` and ``text`` of a message, or ``at`` (a lane) and
  the ``text`` of an event in that lane.

The pictures follow the colour scheme of the reader's system.
"""

import re
from dataclasses import dataclass
from html import escape

import yaml

from tests.docs.blocks import DOCS

PICTURES = DOCS / "pictures"
_STYLE = """
  svg { color-scheme: light dark; background: #fff; font: 13px system-ui, sans-serif; }
  text { fill: #1d2733; }
  .small { font-size: 12px; fill: #44505e; paint-order: stroke; stroke: #fff; stroke-width: 4px; }
  .plain { fill: #eef3f9; stroke: #6b8cb0; } .strong { fill: #dcebd9; stroke: #5f8f57; }
  .end { fill: #f7e3df; stroke: #b5695a; } .frame { fill: none; stroke: #9aa6b2; stroke-dasharray: 5 4; }
  .line { fill: none; stroke: #55626f; } .dashed { stroke-dasharray: 5 4; } marker path { fill: #55626f; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14181d; } text { fill: #e6ebf0; } .small { fill: #b9c3cd; stroke: #14181d; }
    .plain { fill: #1d2b3b; stroke: #6b8cb0; } .strong { fill: #1f3320; stroke: #77a96f; }
    .end { fill: #3b231f; stroke: #c98373; } .frame { stroke: #6d7985; } .line { stroke: #98a4b0; }
    marker path { fill: #98a4b0; }
  }
"""
_LINE = 17
_LETTER = 7.4


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture."""

    x: float
    y: float
    width: float
    height: float

    def side(self, name, along):
        """The point on one side of the box, at the distance ``along`` from the middle of that side."""
        middle = self.x + self.width / 2, self.y + self.height / 2
        return {
            "left": (self.x, middle[1] + along),
            "right": (self.x + self.width, middle[1] + along),
            "top": (middle[0] + along, self.y),
            "bottom": (middle[0] + along, self.y + self.height),
        }[name]


def main():
    """Redraws every picture."""
    for source in sources():
        (PICTURES / f"{source.stem}.svg").write_text(drawn(source))


def sources():
    """The sources of all pictures."""
    return sorted((PICTURES / "sources").glob("*.yaml"))


def drawn(source):
    """The picture of one source, as SVG."""
    described = yaml.safe_load(source.read_text())
    width, height, parts = _sequence(described) if "lanes" in described else _boxes(described)
    title = escape(described["title"])
    arrow = (
        '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z"/></marker>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">'
    lines = [head, f"<title>{title}</title>", f"<style>{_STYLE}</style>", f"<defs>{arrow}</defs>", *parts, "</svg>"]
    return "\n".join(lines) + "\n"


def _boxes(described):
    boxes = {name: Box(*box["at"], *box["size"]) for name, box in described["boxes"].items()}
    parts = []
    for name, box in described["boxes"].items():
        kind = box.get("kind", "plain")
        parts += _rectangle(boxes[name], box["text"], kind)
    for arrow in described.get("arrows", ()):
        points = _ends(boxes, arrow)
        text_at = arrow.get("at") or _middle(points)
        parts.append(_line(points, arrow.get("dashed", False), arrow.get("both", False)))
        parts += _text(*text_at, arrow.get("text", ""), "small")
    right = max(box.x + box.width for box in boxes.values())
    bottom = max(box.y + box.height for box in boxes.values())
    width, height = described.get("size", (right + 20, bottom + 20))
    return width, height, parts


def _ends(boxes, arrow):
    via = [tuple(point) for point in arrow.get("via", ())]
    ends = []
    for name in (arrow["from"], arrow["to"]):
        box, side, along = re.fullmatch(r"([\w-]+)(?:\.(\w+))?([+-]\d+)?", name).groups()
        ends.append((boxes[box], side, float(along or 0)))
    (first, out, out_along), (last, into, into_along) = ends
    guessed = _facing(first, last)
    return [first.side(out or guessed[0], out_along), *via, last.side(into or guessed[1], into_along)]


def _facing(first, last):
    across = last.x + last.width / 2 - first.x - first.width / 2
    down = last.y + last.height / 2 - first.y - first.height / 2
    if abs(across) >= abs(down):
        return ("right", "left") if across > 0 else ("left", "right")
    return ("bottom", "top") if down > 0 else ("top", "bottom")


def _middle(points):
    at = len(points) // 2
    (x1, y1), (x2, y2) = points[at - 1], points[at]
    return (x1 + x2) / 2, (y1 + y2) / 2 - 6


def _sequence(described):
    lanes = described["lanes"]
    width = described.get("lane_width", 230)
    centre = {name: 20 + width * i + width / 2 for i, name in enumerate(lanes)}
    y = 70.0
    parts = []
    for step in described["steps"]:
        lines = step["text"].strip().splitlines()
        if "at" in step:
            wide = max(len(line) for line in lines) * _LETTER + 20
            box = Box(centre[step["at"]] - wide / 2, y, wide, len(lines) * _LINE + 10)
            parts += _rectangle(box, step["text"], step.get("kind", "plain"))
            y += box.height + 20
        else:
            start, end = centre[step["from"]], centre[step["to"]]
            y += (len(lines) - 1) * _LINE
            parts += _text((start + end) / 2, y - (len(lines) - 1) * _LINE / 2, step["text"], "small")
            y += 10
            parts.append(_line([(start, y), (end, y)], step.get("dashed", False), both=False))
            y += 28
    heads = []
    for name, x in centre.items():
        heads.append(_line([(x, 50), (x, y)], dashed=True, both=False, head=False))
        heads += _rectangle(Box(x - width / 2 + 10, 14, width - 20, 36), name, "strong")
    return 40 + width * len(lanes), y + 16, heads + parts


def _rectangle(box, text, kind):
    shape = f'<rect class="{kind}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="5"/>'
    if kind == "frame":
        return [shape, f'<text x="{box.x + 10:g}" y="{box.y + 20:g}">{escape(text.strip())}</text>']
    return [shape, *_text(box.x + box.width / 2, box.y + box.height / 2 + 4, text, "")]


def _text(x, y, text, kind):
    """Lines of text that are centred on a point."""
    lines = text.strip().splitlines()
    first = y - (len(lines) - 1) * _LINE / 2
    name = f' class="{kind}"' if kind else ""
    return [
        f'<text{name} x="{x:g}" y="{first + i * _LINE:g}" text-anchor="middle">{escape(line)}</text>'
        for i, line in enumerate(lines)
    ]


def _line(points, dashed, both, *, head=True):
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
    ends = (' marker-end="url(#arrow)"' if head else "") + (' marker-start="url(#arrow)"' if both else "")
    return f'<path class="line{" dashed" if dashed else ""}" d="{path}"{ends}/>'


if __name__ == "__main__":
    main()
