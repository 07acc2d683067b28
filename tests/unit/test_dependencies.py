"""Tasks wait for tasks with which they share bytes, and for no others."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime import Tag, TaskArgs, _core
from runtime.tensors.task_args import native_args
from runtime.tensors.tensor import empty


@st.composite
def views(draw: st.DrawFn) -> Any:
    """A view of the 120 elements: the number of rows, slices with steps, and whether it is transposed."""
    rows = draw(st.sampled_from([(12, 10), (10, 12), (120,), (6, 20), (3, 4, 10)]))
    slices = []
    for extent in rows:
        begin = draw(st.integers(0, extent - 1))
        end = draw(st.integers(begin + 1, extent))
        slices.append(slice(begin, end, draw(st.integers(1, 3))))
    return rows, tuple(slices), draw(st.booleans()), draw(st.sampled_from([Tag.INPUT, Tag.OUTPUT, Tag.INOUT]))


@given(st.lists(views(), max_size=30))
def test_a_task_follows_exactly_the_tasks_with_which_it_shares_bytes_that_either_writes(program: list[Any]) -> None:
    pool = _core.MemoryPool(1 << 20, 1 << 24)
    whole = empty(pool, 120, "int16")
    numbers = np.arange(120)
    dependencies = _core.Dependencies()
    writer: dict[int, int] = {}
    readers: dict[int, set[int]] = {}
    for task, (rows, slices, transposed, tag) in enumerate(program):
        view, elements = whole.reshape(*rows)[slices], numbers.reshape(rows)[slices]
        native = native_args(TaskArgs((view.T if transposed else view, tag)), pool)
        assert native is not None
        expected = set()
        for element in elements.flat:
            if element in writer:
                expected.add(writer[element])
            if tag is not Tag.INPUT:
                expected |= readers.pop(element, set())
                writer[element] = task
            else:
                readers.setdefault(element, set()).add(task)
        assert dependencies.follow([native]) == sorted(expected - {task})
