"""A picture of results (SVG): for each row how many times better Callring is than what was measured beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.benchmark.measure import OURS, Row


def plot(rows: Iterable[Row], path: Path) -> None:
    """Writes the picture. Raises ModuleNotFoundError without the extra ``peers``."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    bars = [(f"{r.name}: {name}", r.ratio_to(name)) for r in rows for name in r.figures if name != OURS]
    figure, axes = plt.subplots(figsize=(9, 1 + 0.25 * len(bars)), layout="constrained")
    labels, ratios = [label for label, _ in reversed(bars)], [ratio for _, ratio in reversed(bars)]
    axes.barh(labels, ratios)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times better than what is beside it (medians)")
    figure.savefig(path)
    plt.close(figure)
