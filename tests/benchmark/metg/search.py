"""The search for METG: longer and longer tasks, until half of all time is the kernel."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.benchmark.metg.contenders import Contender
from tests.benchmark.metg.patterns import Graph
from tests.benchmark.spent import CLOCKS

_FIRST = 1 / 4
"""The first kernel, as a part of the time that an empty task takes: far too short."""
_LONGEST = 32
"""The longest kernel, as a multiple of the processor time of an empty task. By the clock, a pattern with little
parallelism never reaches half on many cores, and a busy machine makes a task seem as long as it likes."""


@dataclass
class Point:
    """Microseconds of a task: of its kernel, and in all: processor time of all processes, time of the used cores."""

    kernel: float
    totals: dict[str, float]


def crossing(points: list[tuple[float, float]]) -> float | None:
    """METG(50 %) from pairs of a task's kernel and its whole time, with longer and longer kernels.

    Between two points the time that is not kernel is taken to change linearly. The first point itself if its kernel
    is half already; None if no point's is.
    """
    kernel_before, excess_before = 0.0, 0.0
    for i, (kernel, total) in enumerate(points):
        excess = total - 2 * kernel
        if excess <= 0:
            if i == 0:
                return total
            return 2 * (kernel_before + (kernel - kernel_before) * excess_before / (excess_before - excess))
        kernel_before, excess_before = kernel, excess
    return None


@dataclass
class _Climb:
    """One contender on its way to longer tasks."""

    contender: Contender
    tasks: int
    cores: int
    least_s: float
    """Seconds that a measurement should last."""
    kernel: float = 0
    longest: float = 0
    last_wall: float = 0
    rounds: list[list[Point]] = field(default_factory=list)

    def begin(self, rounds: int) -> None:
        """Measures empty tasks, and chooses the kernels to begin and to end with."""
        self.contender.measure(0, 1)  # starts what starts lazily
        self.last_wall = self.contender.measure(0, 1).wall
        empty = self.measure(0, 0).totals
        self.kernel, self.longest = _FIRST * min(empty.values()), _LONGEST * empty["cpu"]
        self.rounds = [[] for _ in range(rounds)]

    def measure(self, iterations: int, kernel: float) -> Point:
        """Executes the graph as often as fills the time."""
        expected = self.last_wall + kernel * self.tasks / self.cores / 1e6
        repeats = max(1, round(self.least_s / expected))
        taken = self.contender.measure(iterations, repeats)
        self.last_wall = max(1e-9, taken.wall / repeats - kernel * self.tasks / self.cores / 1e6)
        each = 1e6 / (self.tasks * repeats)
        return Point(kernel, {"cpu": taken.cpu * each, "wall": taken.wall * each * self.cores})

    def step(self, i: int, iterations_per_us: float) -> None:
        """Measures the present kernel in round ``i``."""
        iterations = max(1, round(self.kernel * iterations_per_us))
        self.rounds[i].append(self.measure(iterations, iterations / iterations_per_us))

    def found(self, clock: str) -> list[float | None]:
        """METG by this clock, for each round."""
        return [crossing([(point.kernel, point.totals[clock]) for point in points]) for points in self.rounds]

    def over(self) -> bool:
        """Whether every round has reached half by both clocks, or there is no hope."""
        return self.kernel > self.longest or all(None not in self.found(clock) for clock in CLOCKS)


def metg(
    contenders: Mapping[str, Contender],
    graph_of: Callable[[int], Graph],
    workers: int,
    calibrate: Callable[[], float],
    *,
    rounds: int,
    least_s: float,
) -> dict[str, dict[str, list[float]]]:
    """METG in microseconds by clock and contender: one for each round that reaches half.

    In every round all contenders are measured, A B A B, so that a drift of the machine's speed affects all alike.

    Args:
        graph_of: the graph, with so many times fewer steps as is given.
        calibrate: iterations of the kernel in a microsecond, measured anew in every round.
        least_s: seconds that a measurement should last.
    """
    cores = min(workers, len(os.sched_getaffinity(0)))
    climbs = {}
    for name, contender in contenders.items():
        graph = graph_of(contender.fewer_steps)
        contender.prepare(graph)
        climbs[name] = _Climb(contender, len(graph), cores, least_s)
        climbs[name].begin(rounds)
    while under_way := [climb for climb in climbs.values() if not climb.over()]:
        for i in range(rounds):
            per_us = calibrate()
            for climb in under_way:
                climb.step(i, per_us)
        for climb in under_way:
            climb.kernel *= 2
    return {
        clock: {name: [each for each in climb.found(clock) if each is not None] for name, climb in climbs.items()}
        for clock in CLOCKS
    }
