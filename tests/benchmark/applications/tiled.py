"""Cholesky and matmul, on matrices in tiles."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tests.benchmark.applications.program import Array, Program, Task, Tiles

MULTIPLE = 16
"""The extent of a tile is a multiple of this."""


class Tiled:
    """A computation with square matrices of one size, in tiles of any size."""

    word: str

    def __init__(self, n: int) -> None:
        self.n = n
        self.name = f"{self.word} {n:,}"

    def numpy(self) -> Array:
        """The result, by one call of NumPy."""
        raise NotImplementedError

    @cached_property
    def expected(self) -> Array:
        """The result that others are compared with. Raises ArithmeticError if it is wrong itself."""
        raise NotImplementedError

    def result(self, gathered: Array) -> Array:
        """The part of a gathered matrix that is the result."""
        return gathered

    def program(self, tile: int, views: bool) -> Program:
        """The tasks."""
        raise NotImplementedError


class Matmul(Tiled):
    """C = A B."""

    word = "matmul"

    @cached_property
    def factors(self) -> tuple[Array, Array]:
        """A and B, with random numbers."""
        random = np.random.default_rng(self.n)
        return random.uniform(-1, 1, (self.n, self.n)), random.uniform(-1, 1, (self.n, self.n))

    def numpy(self) -> Array:
        """As the base says."""
        a, b = self.factors
        return a @ b

    @cached_property
    def expected(self) -> Array:
        """As the base says."""
        return self.numpy()

    def program(self, tile: int, views: bool) -> Program:
        """Each tile of C is a chain of products."""
        buffers: list[Array] = []
        a, b = (Tiles(factor, tile, buffers, views) for factor in self.factors)
        c = Tiles(np.zeros((self.n, self.n)), tile, buffers, views)
        parts = range(c.count)
        tasks = [
            Task("multiply", (i, j), i * c.count + j, (), (a[i, k], b[k, j], c[i, j]))
            for k in parts
            for i in parts
            for j in parts
        ]
        return Program(buffers, tasks, c.numbers, c.gathered)


class Cholesky(Tiled):
    """The upper factor U of A = U^T U: the transposed of the lower one."""

    word = "Cholesky"

    @cached_property
    def matrix(self) -> Array:
        """A random symmetric matrix with a dominant diagonal."""
        half = np.random.default_rng(self.n).uniform(-0.5, 0.5, (self.n, self.n))
        return half + half.T + self.n * np.eye(self.n)

    def numpy(self) -> Array:
        """As the base says."""
        return np.linalg.cholesky(self.matrix).T

    @cached_property
    def expected(self) -> Array:
        """As the base says."""
        upper = self.numpy()
        if not np.allclose(upper.T @ upper, self.matrix, rtol=0, atol=1e-12 * self.n):
            raise ArithmeticError("the factors of NumPy are not those of the matrix")
        return upper

    def result(self, gathered: Array) -> Array:
        """Below the diagonal, the matrix holds what is left of A."""
        return np.triu(gathered)

    def program(self, tile: int, views: bool) -> Program:
        """Row after row of tiles: the diagonal, the rest of the row, then what that changes below."""
        buffers: list[Array] = []
        a = Tiles(self.matrix, tile, buffers, views)
        tasks: list[Task] = []

        def add(kernel: str, *tiles: tuple[int, int]) -> None:
            numbers = [row * a.count + column for row, column in tiles]
            tasks.append(Task(kernel, tiles[-1], numbers[-1], tuple(numbers[:-1]), tuple(a[each] for each in tiles)))

        for k in range(a.count):
            rest = range(k + 1, a.count)
            add("potrf", (k, k))
            for j in rest:
                add("trsm", (k, k), (k, j))
            for i in rest:
                add("syrk", (k, i), (i, i))
                for j in range(i + 1, a.count):
                    add("gemm", (k, i), (k, j), (i, j))
        return Program(buffers, tasks, a.numbers, a.gathered)
