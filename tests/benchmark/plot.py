"""A picture of results (SVG): for each row, how many times better Callring is than each peer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tests.benchmark.measure import OURS, Row

Bar = tuple[str, str, float]
"""The row, the peer, and how many times better Callring is."""

_STYLE = """
  svg { color-scheme: light dark; background: #fff; font: 12px system-ui, sans-serif; }
  text { fill: #1d2733; } .axis { stroke: #9aa6b2; } .one { stroke: #1d2733; }
  .better { fill: #4a7fb5; } .worse { fill: #b5695a; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14181d; } text { fill: #e6ebf0; } .one { stroke: #e6ebf0; }
    .better { fill: #6ea3d8; } .worse { fill: #d08b7d; }
  }
"""
_LABELS, _WIDTH, _TOP = 470, 400, 44
BAR = 18
"""The height of a line."""


def plot(rows: Iterable[Row], path: Path) -> None:
    """Writes the picture."""
    path.write_text(drawn([(r.name, name, r.ratio_to(name)) for r in rows for name in r.figures if name != OURS]))


def bars_of(page: str) -> list[Bar]:
    """The ratios in the table of a page."""
    rows = re.findall(r"^\| ([^|]+?) \| [^|]+ \| ([^|]+) \| [^|]*\|$", page, flags=re.MULTILINE)
    return [
        (work, name, float(ratio.replace(",", "")))
        for work, beside in rows
        for name, ratio in re.findall(r"(?:^|; )(.+?) [\d.,]+ \S+(?: of a core)?(?: \([^)]*\))?: ([\d.,]+) x", beside)
    ]


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis from one power of ten to another."""

    low: int
    high: int

    @classmethod
    def over(cls, values: Iterable[float]) -> Scale:
        """The shortest axis with all of these."""
        logarithms = [math.log10(value) for value in values]
        return cls(math.floor(min(logarithms)), max(math.ceil(max(logarithms)), math.floor(min(logarithms)) + 1))

    def at(self, value: float) -> float:
        """Where a value is."""
        return round(_LABELS + (math.log10(value) - self.low) * _WIDTH / (self.high - self.low), 1)


def top_of(line: int) -> int:
    """The upper edge of a line of the picture."""
    return _TOP + BAR * line


def framed(scale: Scale, lines: int, title: str, caption: str, style: str = "") -> list[str]:
    """The beginning of a picture with so many lines: its title and axis."""
    height, width = top_of(lines) + 14, _LABELS + _WIDTH + 70
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}{style}</style>",
        f'<text x="8" y="16">{escape(caption)}</text>',
    ]
    for power in range(scale.low, scale.high + 1):
        x = scale.at(10.0**power)
        kind = "one" if power == 0 else "axis"
        parts += [f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{height - 10}"/>']
        parts += [f'<text x="{x}" y="{_TOP - 12}" text-anchor="middle">{10.0**power:g}</text>']
    return parts


def label(line: int, words: str) -> str:
    """The words before a line."""
    return f'<text x="{_LABELS - 8}" y="{top_of(line) + 13}" text-anchor="end">{escape(words)}</text>'


def drawn(bars: Sequence[Bar]) -> str:
    """The picture, on a logarithmic scale."""
    scale = Scale.over([*(ratio for *_, ratio in bars), 1, 10])
    title = "How many times better Callring is than what is beside it (medians)"
    parts = framed(scale, len(bars), title, "times better than what is beside it (medians)")
    for i, (work, name, ratio) in enumerate(bars):
        y, (left, right) = top_of(i), sorted((scale.at(1), scale.at(ratio)))
        kind = "better" if ratio >= 1 else "worse"
        parts += [label(i, f"{work}: {name}")]
        bar = f'x="{left}" y="{y + 3}" width="{max(1, right - left):.1f}" height="{BAR - 6}"'
        parts += [f'<rect class="{kind}" {bar}><title>{ratio:g}</title></rect>']
        parts += [f'<text x="{right + 5}" y="{y + 13}">{ratio:,g}</text>'] if ratio >= 1 else []
    return "\n".join([*parts, "</svg>"]) + "\n"
