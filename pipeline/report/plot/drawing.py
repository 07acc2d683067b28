"""An SVG drawing, element by element."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

COLOURS = 10
"""Colours in the style sheet: classes f0 to f9 fill, l0 to l9 draw lines."""

_BROAD = 700
"""The width from which a drawing gets larger letters in a narrow window."""


class Drawing:
    """Gathers elements.

    Args:
        width, height: the size of the drawing, in the units of its coordinates; the page scales it.
        words: a description for readers who do not see it.
    """

    def __init__(self, width: float, height: float, words: str) -> None:
        about = escape(words, quote=True)
        kind = "plot broad" if width > _BROAD else "plot"
        self._parts = [f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{about}">']

    def line(self, x1: float, y1: float, x2: float, y2: float, *, kind: str) -> None:
        """A straight line."""
        self._parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def text(self, x: float, y: float, words: str, anchor: str = "start", *, kind: str = "", turn: float = 0) -> None:
        """A line of text, turned by ``turn`` degrees around its place."""
        turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
        named = f' class="{kind}"' if kind else ""
        self._parts.append(
            f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned}>{escape(words)}</text>'
        )

    def circle(self, x: float, y: float, radius: float, kind: str, words: str = "") -> None:
        """A mark; ``words`` are shown when a reader points at it."""
        self._parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">{_title(words)}</circle>')

    def box(
        self, x: float, y: float, width: float, height: float, *, kind: str, words: str = "", style: str = ""
    ) -> None:
        """A filled rectangle."""
        styled = f' style="{escape(style, quote=True)}"' if style else ""
        self._parts.append(
            f'<rect class="{kind}"{styled} x="{x:.1f}" y="{y:.1f}" width="{max(0, width):.1f}" '
            f'height="{max(0, height):.1f}" rx="2">{_title(words)}</rect>'
        )

    def path(self, places: Iterable[tuple[float, float]], kind: str, *, closed: bool = False, words: str = "") -> None:
        """A line through places, or the area inside it."""
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        tag = "polygon" if closed else "polyline"
        self._parts.append(f'<{tag} class="{kind}" points="{points}">{_title(words)}</{tag}>')

    def svg(self) -> str:
        """The drawing as an element."""
        return "".join([*self._parts, "</svg>"])


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""


def cut(words: str, most: int) -> str:
    """Shortens a text to ``most`` letters."""
    return words if len(words) <= most else f"{words[: most - 1]}\u2026"
