"""A stencil on a grid whose border keeps its numbers: each other number becomes the mean of its four neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tests.benchmark.applications.program import Array, Piece, Program, Task, grid_of


class Stencil:
    """So many iterations on n by n numbers inside the border, in one block for each worker."""

    def __init__(self, n: int, iterations: int) -> None:
        self.n, self.iterations = n, iterations
        self.name = f"stencil {n:,}, {iterations:,} iterations"

    @cached_property
    def grid(self) -> Array:
        """Random numbers, with the border."""
        return np.random.default_rng(self.n).uniform(-1, 1, (self.n + 2, self.n + 2))

    def numpy(self) -> Array:
        """The grid after all iterations, by NumPy's operations on slices."""
        old, new = self.grid.copy(), self.grid.copy()
        for _ in range(self.iterations):
            inner = new[1:-1, 1:-1]
            np.add(old[:-2, 1:-1], old[2:, 1:-1], out=inner)
            inner += old[1:-1, :-2]
            inner += old[1:-1, 2:]
            inner *= 0.25
            old, new = new, old
        return old

    @cached_property
    def expected(self) -> Array:
        """The result that others are compared with."""
        return self.numpy()

    def result(self, gathered: Array) -> Array:
        """The whole grid."""
        return gathered

    def program(self, workers: int, views: bool) -> Program:
        """One task for each block and iteration, which reads the one grid and writes the other."""
        return _OneGrid(self, workers).program() if views else _OwnBlocks(self, workers).program()


class _Blocks:
    """A grid in blocks, once with even and once with odd iterations."""

    def __init__(self, whole: Stencil, workers: int) -> None:
        self.whole = whole
        self.rows, self.columns = grid_of(workers)
        self.height, self.width = whole.n // self.rows, whole.n // self.columns
        self.places = [(row, column) for row in range(self.rows) for column in range(self.columns)]

    def around(self, row: int, column: int) -> list[tuple[int, int]]:
        """The places above, below, to the left and to the right, some outside of the grid."""
        return [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]

    def tile(self, place: tuple[int, int], parity: int) -> int:
        """The number of a block."""
        return (parity * self.rows + place[0]) * self.columns + place[1]

    def tasks(self) -> list[Task]:
        """All tasks."""
        return [
            Task(
                self.kernel,
                place,
                self.tile(place, 1 - step % 2),
                tuple(self.tile(near, step % 2) for near in (place, *self.around(*place)) if near in self.places),
                pieces,
            )
            for step in range(self.whole.iterations)
            for place, pieces in self.pieces[step % 2]
        ]

    kernel: str
    pieces: list[list[tuple[tuple[int, int], tuple[Piece, ...]]]]
    """For even and odd iterations, each place and the pieces of its task."""


class _OneGrid(_Blocks):
    """Blocks that are views of one grid; the blocks that are read overlap."""

    kernel = "stencil"

    def __init__(self, whole: Stencil, workers: int) -> None:
        super().__init__(whole, workers)
        self.pieces = [
            [
                (
                    (row, column),
                    (
                        Piece(old, row * self.height, column * self.width, self.height + 2, self.width + 2),
                        Piece(1 - old, row * self.height + 1, column * self.width + 1, self.height, self.width),
                    ),
                )
                for row, column in self.places
            ]
            for old in (0, 1)
        ]

    def program(self) -> Program:
        """The program."""
        last = self.whole.iterations % 2
        return Program([self.whole.grid] * 2, self.tasks(), range(last, last + 1), lambda contents: contents[0])


class _OwnBlocks(_Blocks):
    """Blocks with halos, each a buffer of its own; a task writes the edges of its result into the halos around it."""

    kernel = "stencil_with_halos"

    def __init__(self, whole: Stencil, workers: int) -> None:
        super().__init__(whole, workers)
        height, width = self.height, self.width
        blocks = [
            whole.grid[r * height : (r + 1) * height + 2, c * width : (c + 1) * width + 2].copy()
            for r, c in self.places
        ]
        self.buffers: list[Array] = blocks * 2
        self.pieces = [[(place, self._pieces(place, old)) for place in self.places] for old in (0, 1)]

    def _pieces(self, place: tuple[int, int], old: int) -> tuple[Piece, ...]:
        height, width = self.height, self.width
        halos = [(height + 1, 1, 1, width), (0, 1, 1, width), (1, width + 1, height, 1), (1, 0, height, 1)]
        return (
            Piece(self.tile(place, old), 0, 0, height + 2, width + 2),
            Piece(self.tile(place, 1 - old), 1, 1, height, width),
            *(self._halo(near, 1 - old, halo) for near, halo in zip(self.around(*place), halos, strict=True)),
        )

    def _halo(self, place: tuple[int, int], parity: int, halo: tuple[int, int, int, int]) -> Piece:
        """The halo of a block, or outside of the grid a buffer that none reads."""
        if place in self.places:
            return Piece(self.tile(place, parity), *halo)
        self.buffers.append(np.zeros(halo[2:]))
        return Piece(len(self.buffers) - 1, 0, 0, *halo[2:])

    def program(self) -> Program:
        """The program."""
        first = self.whole.iterations % 2 * len(self.places)
        return Program(self.buffers, self.tasks(), range(first, first + len(self.places)), self.gathered)

    def gathered(self, contents: Sequence[Array]) -> Array:
        """The grid, from the contents of its blocks."""
        grid = self.whole.grid.copy()
        for (row, column), block in zip(self.places, contents, strict=True):
            top, left = row * self.height + 1, column * self.width + 1
            grid[top : top + self.height, left : left + self.width] = block[1:-1, 1:-1]
        return grid
