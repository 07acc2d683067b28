"""A picture of results (SVG): for each row, how many times better Callring is than each peer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
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
_LABELS, _WIDTH, _BAR, _TOP = 470, 400, 18, 44


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


def drawn(bars: Sequence[Bar]) -> str:
    """The picture, on a logarithmic scale."""
    low = math.floor(math.log10(min([*(ratio for *_, ratio in bars), 1])))
    high = math.ceil(math.log10(max([*(ratio for *_, ratio in bars), 10])))

    def at(ratio: float) -> float:
        return round(_LABELS + (math.log10(ratio) - low) * _WIDTH / (high - low), 1)

    height = _TOP + _BAR * len(bars) + 14
    width = _LABELS + _WIDTH + 70
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
    parts = [head, "<title>How many times better Callring is than what is beside it (medians)</title>"]
    parts += [f"<style>{_STYLE}</style>"]
    parts += [f'<text x="{_LABELS}" y="16">times better than what is beside it (medians)</text>']
    for power in range(low, high + 1):
        x = at(10.0**power)
        kind = "one" if power == 0 else "axis"
        parts += [f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{height - 10}"/>']
        parts += [f'<text x="{x}" y="{_TOP - 12}" text-anchor="middle">{10.0**power:g}</text>']
    for i, (work, name, ratio) in enumerate(bars):
        y, (left, right) = _TOP + _BAR * i, sorted((at(1), at(ratio)))
        kind = "better" if ratio >= 1 else "worse"
        parts += [f'<text x="{_LABELS - 8}" y="{y + 13}" text-anchor="end">{escape(f"{work}: {name}")}</text>']
        bar = f'x="{left}" y="{y + 3}" width="{max(1, right - left):.1f}" height="{_BAR - 6}"'
        parts += [f'<rect class="{kind}" {bar}><title>{ratio:g}</title></rect>']
        parts += [f'<text x="{right + 5}" y="{y + 13}">{ratio:,g}</text>' if ratio >= 1 else ""]
    return "\n".join([*(part for part in parts if part), "</svg>"]) + "\n"
