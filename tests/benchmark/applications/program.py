"""A program: tasks on pieces of matrices, in an order in which one thread could execute them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of a buffer, with the buffer's strides."""

    buffer: int
    top: int
    left: int
    height: int
    width: int

    def of(self, buffer: Any) -> Any:
        """The view of this piece of its buffer, an array or a Tensor."""
        return buffer[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True, slots=True)
class Task:
    """A kernel on pieces, in the order of its signature."""

    kernel: str
    place: tuple[int, int]
    """Where the result is, in tiles: decides on the chip."""
    makes: int
    """The number of the tile that it writes, for OpenMP's `depend`."""
    needs: tuple[int, ...]
    """The numbers of the other tiles whose last task it follows."""
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Program:
    """Tasks, the first contents of their buffers, and what they compute."""

    buffers: Sequence[Array]
    tasks: Sequence[Task]
    results: range
    """The numbers of the buffers with the result."""
    gathered: Callable[[Sequence[Array]], Array]
    """The result as one matrix, from the contents of these buffers."""

    def text(self) -> str:
        """As program.h describes."""
        lines = [f"{len(self.buffers)} {len(self.tasks)}"]
        lines += [f"{height} {width}" for height, width in (buffer.shape for buffer in self.buffers)]
        for task in self.tasks:
            words: list[Any] = [task.kernel, task.makes, len(task.needs), *task.needs, len(task.pieces)]
            for piece in task.pieces:
                words += [piece.buffer, piece.top, piece.left, piece.height, piece.width]
            lines.append(" ".join(map(str, words)))
        return "\n".join(lines)


def grid_of(workers: int) -> tuple[int, int]:
    """The rows and columns of a grid of so many workers that is as square as possible, and no wider than high."""
    columns = max(each for each in range(1, math.isqrt(workers) + 1) if workers % each == 0)
    return workers // columns, columns


class Tiles:
    """A square matrix in square tiles: each a buffer of its own, or all views of one buffer."""

    def __init__(self, matrix: Array, tile: int, buffers: list[Array], views: bool) -> None:
        """Adds the buffers to the list."""
        self.count, self.tile, self.views = len(matrix) // tile, tile, views
        self.first = len(buffers)
        if views:
            buffers.append(matrix)
        else:
            buffers += [matrix[top : top + tile, left : left + tile].copy() for top, left in self._corners()]
        self.numbers = range(self.first, len(buffers))

    def __getitem__(self, place: tuple[int, int]) -> Piece:
        """The tile in this row and column of tiles."""
        row, column = place
        if self.views:
            return Piece(self.first, row * self.tile, column * self.tile, self.tile, self.tile)
        return Piece(self.first + row * self.count + column, 0, 0, self.tile, self.tile)

    def _corners(self) -> Iterator[tuple[int, int]]:
        for row in range(self.count):
            for column in range(self.count):
                yield row * self.tile, column * self.tile

    def gathered(self, contents: Sequence[Array]) -> Array:
        """The matrix, from the contents of its buffers."""
        if self.views:
            return contents[0]
        whole = np.empty((self.count * self.tile,) * 2)
        for (top, left), tile in zip(self._corners(), contents, strict=True):
            whole[top : top + self.tile, left : left + self.tile] = tile
        return whole
