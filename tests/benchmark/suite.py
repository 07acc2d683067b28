"""The rows of the benchmark by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tests.benchmark import rows_chips, rows_life, rows_python, rows_scaling
from tests.benchmark.command_line import matching
from tests.benchmark.measure import Effort, Row

ROWS: dict[str, Callable[[Effort], list[Row]]] = {
    "python_tasks": rows_python.independent,
    "chip_tasks": rows_chips.captured,
    "chip_one_by_one": rows_chips.one_by_one,
    "submit": rows_chips.submit,
    "python_round_trip": rows_python.round_trips,
    "chip_round_trip": rows_chips.round_trips,
    "python_chain": rows_python.chain,
    "chip_chain": rows_chips.chain,
    "fan": rows_python.fan,
    "register": rows_python.register,
    "register_again": rows_life.duplicates,
    "ready": rows_life.ready,
    "start": rows_python.start,
    "idle": rows_life.idle,
    "arrays": rows_python.arrays,
    "replacement": rows_life.replacement,
    "pipeline": rows_life.pipeline,
    "scaling_tasks": rows_scaling.tasks,
    "scaling_children": rows_scaling.children,
    "scaling_callables": rows_scaling.callables,
    "scaling_graphs": rows_scaling.graphs,
    "memory": rows_scaling.memory,
}


def chosen(words: Iterable[str]) -> list[str]:
    """The names that contain one of the words; all names without words. Raises ValueError for an unknown word."""
    return matching("rows", words, ROWS)


def run_suite(names: Iterable[str], effort: Effort) -> Iterator[Row]:
    """Measures these rows one after the other."""
    for name in names:
        yield from ROWS[name](effort)
