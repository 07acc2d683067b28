"""The patterns of dependencies of Task Bench, from the definitions in the paper.

A pattern says on which columns of the step before a task depends. Step 0 depends on nothing. Every function is pure.
``width``, the number of columns, is a power of two, and at least 2.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

RADIX = 5
"""The number of dependencies where a pattern lets one choose it."""

Columns = tuple[int, ...]


def levels(width: int) -> int:
    """The logarithm of the width. Raises ValueError unless the width is a power of two, and no less than 2."""
    if width < 2 or width & (width - 1):
        raise ValueError(f"the width is {width}, and must be a power of two, 2 or more")
    return width.bit_length() - 1


def trivial(step: int, column: int, width: int) -> Columns:
    """No dependencies."""
    return ()


def no_comm(step: int, column: int, width: int) -> Columns:
    """The same column: ``width`` chains."""
    return (column,)


def stencil_1d(step: int, column: int, width: int) -> Columns:
    """The same column and its neighbours, around the edge."""
    return tuple(sorted({(column + offset) % width for offset in (-1, 0, 1)}))


def dom(step: int, column: int, width: int) -> Columns:
    """The same column and the one to its left: a wave front, as in a sweep over a domain."""
    return _within([column - 1, column], width)


def tree(step: int, column: int, width: int) -> Columns:
    """A broadcast from column 0 to all, then a reduction to column 0, over and over."""
    distance = width >> _height(step, width)
    if _spreads(step, width):
        return (column - column % (2 * distance),)
    return (column, column + distance // 2)


def fft(step: int, column: int, width: int) -> Columns:
    """The same column and those at a distance that doubles with every step, until it would be the width."""
    distance = 1 << (step - 1) % levels(width)
    return _within([column - distance, column, column + distance], width)


def all_to_all(step: int, column: int, width: int) -> Columns:
    """Every column."""
    return tuple(range(width))


def nearest(step: int, column: int, width: int) -> Columns:
    """The RADIX columns that are nearest."""
    return _within(range(column - RADIX // 2, column - RADIX // 2 + RADIX), width)


def spread(step: int, column: int, width: int) -> Columns:
    """RADIX columns as far from each other as possible, and others at every step."""
    return tuple(sorted({(column + step + part * width // RADIX) % width for part in range(RADIX)}))


def random_nearest(step: int, column: int, width: int) -> Columns:
    """About half of the nearest columns, by numbers that look random and are always the same."""
    return tuple(
        other for other in nearest(step, column, width) if zlib.crc32(f"{step} {column} {other}".encode()) & 0x100
    )


def _within(columns: range | list[int], width: int) -> Columns:
    return tuple(column for column in columns if 0 <= column < width)


def _spreads(step: int, width: int) -> bool:
    """Whether the tree grows in this step."""
    return 1 <= step % (2 * levels(width)) <= levels(width)


def _height(step: int, width: int) -> int:
    """The logarithm of the number of the tree's tasks in a step: 0 1 2 ... 2 1 0 1 ..."""
    top = levels(width)
    return top - abs(top - step % (2 * top))


PATTERNS: dict[str, Callable[[int, int, int], Columns]] = {
    each.__name__: each
    for each in (trivial, no_comm, stencil_1d, dom, tree, fft, all_to_all, nearest, spread, random_nearest)
}


@dataclass(frozen=True)
class Graph:
    """The tasks of a pattern, in order of their steps."""

    width: int
    columns: tuple[int, ...]
    """The column of each task."""
    inputs: tuple[tuple[int, ...], ...]
    """For each task the numbers of those that it depends on, all less than its own."""

    def __len__(self) -> int:
        return len(self.columns)

    def depths(self) -> list[int]:
        """How many tasks the longest chain to each task has: what a task computes that has its inputs' values."""
        depths: list[int] = []
        for inputs in self.inputs:
            depths.append(1 + max((depths[task] for task in inputs), default=0))
        return depths


def columns_of(name: str, step: int, width: int) -> range:
    """The columns that have a task in a step: all, but for a tree."""
    return range(0, width, width >> _height(step, width)) if name == "tree" else range(width)


def graph_of(name: str, width: int, steps: int) -> Graph:
    """The graph of the pattern with this name. Raises ValueError for a width as levels() does."""
    levels(width)
    columns: list[int] = []
    inputs: list[tuple[int, ...]] = []
    before: dict[int, int] = {}
    for step in range(steps):
        tasks: dict[int, int] = {}
        for column in columns_of(name, step, width):
            needed = PATTERNS[name](step, column, width) if step else ()
            tasks[column] = len(columns)
            columns.append(column)
            inputs.append(tuple(before[other] for other in needed))
        before = tasks
    return Graph(width, tuple(columns), tuple(inputs))
