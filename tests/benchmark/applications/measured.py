"""The measurement of applications: all contenders interleaved, and every result compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from tests.benchmark.applications.contenders import Contender
from tests.benchmark.applications.program import Array, Program
from tests.benchmark.spent import Spent

TOLERANCE = 1e-9
"""How far a number of a result may be from that of NumPy, as a part of the greatest."""


class WrongResult(ArithmeticError):
    """A contender computed something else than NumPy."""


class Application(Protocol):
    """A computation of one size."""

    name: str

    @property
    def expected(self) -> Array:
        """The result by NumPy."""

    def numpy(self) -> Array:
        """Computes the result by NumPy, again."""

    def result(self, gathered: Array) -> Array:
        """The part of a gathered matrix that is the result."""


def measured(
    application: Application, program: Program, contenders: Mapping[str, Contender], rounds: int
) -> dict[str, list[Spent]]:
    """What each contender spends in each round, A B A B, after one execution that is not measured.

    Raises:
        WrongResult: says whose result, and where.
    """
    found: dict[str, list[Spent]] = {name: [] for name in contenders}
    for name, contender in contenders.items():
        contender.prepare(program)
        contender.measure()
        _require_result(application, program, name, contender)
    for _ in range(rounds):
        for name, contender in contenders.items():
            found[name].append(contender.measure())
            _require_result(application, program, name, contender)
    return found


def _require_result(application: Application, program: Program, name: str, contender: Contender) -> None:
    result, expected = application.result(program.gathered(contender.results())), application.expected
    wrong = np.argwhere(~(np.abs(result - expected) <= TOLERANCE * np.abs(expected).max()))
    if len(wrong):
        row, column = wrong[0]
        raise WrongResult(
            f"{application.name} by {name}: {len(wrong)} wrong numbers, the first in row {row}, column {column}: "
            f"{result[row, column]!r} instead of {expected[row, column]!r}"
        )


def in_rounds(measure: Callable[[], Spent], rounds: int) -> list[Spent]:
    """The measurements of a contender that is measured by itself, after one that does not count."""
    measure()
    return [measure() for _ in range(rounds)]
