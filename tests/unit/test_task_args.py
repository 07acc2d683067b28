"""TaskArgs: accepted arguments, copies of arrays, and the messages of refusals."""

from __future__ import annotations

import gc
import struct
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import Tag, TaskArgs, _core
from runtime.errors.wording import kind_of
from runtime.tensors.task_args import MAX_COPIED_BYTES, native_args
from runtime.tensors.tensor import empty


def bits_of(value: Any) -> int:
    return int(_core.TaskArgs.scalar_bits(value))


@pytest.fixture
def pool() -> _core.MemoryPool:
    return _core.MemoryPool(1 << 20, 1 << 24)


# ---- scalars ------------------------------------------------------------------------------------------------------


@given(st.integers(-(2**63), 2**64 - 1))
def test_an_integer_is_carried_as_its_64_bits(value: int) -> None:
    assert bits_of(value) == value % 2**64


@given(st.floats(allow_nan=False))
def test_a_float_is_carried_as_the_bits_of_a_double(value: float) -> None:
    assert bits_of(value) == struct.unpack("=Q", struct.pack("=d", value))[0]


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**40])
def test_an_integer_beyond_64_bits_is_refused_by_its_value(value: int) -> None:
    with pytest.raises(OverflowError, match=f"scalar {value} does not fit 64 bits"):
        TaskArgs(scalars=[value])


@pytest.mark.parametrize(
    ("value", "same_as"),
    [(True, 1), (False, 0), (np.int32(-2), -2), (np.uint64(2**64 - 1), 2**64 - 1)]
    + [(float_type(0.5), 0.5) for float_type in (np.float16, np.float32, np.float64)],
)
def test_booleans_and_numpys_numbers_are_scalars_too(value: Any, same_as: float) -> None:
    assert bits_of(value) == bits_of(same_as)


@pytest.mark.parametrize("value", ["3", None, 1j, b"1", [1]])
def test_a_scalar_that_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="integer"):
        TaskArgs(scalars=[value])


# ---- tensors ------------------------------------------------------------------------------------------------------


def test_the_one_line_form_is_the_same_as_adding_one_by_one(pool: _core.MemoryPool) -> None:
    tensor = empty(pool, (4,), "float32")
    one_line = TaskArgs((tensor, Tag.INPUT), (tensor, Tag.OUTPUT), scalars=[3, 0.5])
    step_by_step = TaskArgs()
    step_by_step.add_tensor(tensor, Tag.INPUT)
    step_by_step.add_tensor(tensor, Tag.OUTPUT)
    step_by_step.add_scalar(3)
    step_by_step.add_scalar(0.5)
    for args in (one_line, step_by_step):
        native = native_args(args, pool)
        assert native is not None
        assert (len(args), args.scalar_count) == (2, 2)
        assert (native.tensor_count, native.scalar_count) == (2, 2)


def test_a_task_without_arguments_has_neither_tensors_nor_scalars(pool: _core.MemoryPool) -> None:
    assert native_args(None, pool) is None
    assert len(TaskArgs()) == 0


def test_arguments_keep_their_tensors_memory_alive(pool: _core.MemoryPool) -> None:
    args = TaskArgs((empty(pool, (4,), "float32"), Tag.INPUT))
    assert pool.bytes_in_use == 64
    del args
    assert pool.bytes_in_use == 0


def test_a_small_array_is_an_input_and_copied_at_every_submit(pool: _core.MemoryPool) -> None:
    array = np.ones(MAX_COPIED_BYTES // 8)
    args = TaskArgs((array, Tag.INPUT), (empty(pool, (4,), "float32"), Tag.OUTPUT), scalars=[1])
    assert len(args) == 2
    before = pool.bytes_in_use
    first = native_args(args, pool)
    second = native_args(args, pool)
    assert first is not None
    assert second is not None
    assert (first.tensor_count, first.scalar_count, len(args)) == (2, 1, 2)
    # Each submit makes a copy: the task reads the array's content at that moment.
    assert pool.bytes_in_use == before + 2 * array.nbytes
    del first, second
    assert pool.bytes_in_use == before


@pytest.mark.parametrize("tag", [tag for tag in Tag if tag is not Tag.INPUT])
def test_an_array_that_a_task_could_write_must_be_shared_first(tag: Tag) -> None:
    with pytest.raises(TypeError, match=rf"{tag.name}: only INPUT arrays .*worker\.share\(array\)"):
        TaskArgs((np.ones(4), tag))


def test_an_array_that_is_too_large_to_copy_must_be_shared_first() -> None:
    with pytest.raises(TypeError, match=r"array of 65537 bytes as INPUT.*65536 bytes.*worker\.share\(array\)"):
        TaskArgs((np.ones(MAX_COPIED_BYTES + 1, np.uint8), Tag.INPUT))


@pytest.mark.parametrize("value", [[1, 2], 3, "tensor", None])
def test_a_value_that_is_no_tensor_is_refused_with_its_type(value: Any) -> None:
    with pytest.raises(TypeError, match=f"not {kind_of(value)}; make one with worker.share"):
        TaskArgs((value, Tag.INPUT))


def test_a_tag_that_does_not_exist_is_refused(pool: _core.MemoryPool) -> None:
    for tag in (7, 1, True, "INPUT", None):
        with pytest.raises(TypeError, match=r"tag=.*: one of Tag\.INPUT, Tag\.OUTPUT, Tag\.INOUT"):
            TaskArgs((empty(pool, (4,), "float32"), tag))  # type: ignore[arg-type]


def test_a_value_that_is_no_pair_is_refused_even_if_it_can_be_unpacked(pool: _core.MemoryPool) -> None:
    tensor = empty(pool, (2, 4), "float32")
    for wrong in (tensor, tensor.numpy(), 5, (tensor,), "ab"):
        with pytest.raises(TypeError, match=r"TaskArgs takes \(tensor, tag\) pairs"):
            TaskArgs(wrong)  # type: ignore[arg-type]


def test_a_scalar_is_a_number() -> None:
    assert TaskArgs(scalars=[True, 2**64 - 1, -(2**63), float("nan"), float("inf")]).scalar_count == 5
    for wrong in ("1", None, 1j, [1]):
        with pytest.raises(TypeError, match=r"a scalar is an integer or a float, not (a str|None|a complex|a list)$"):
            TaskArgs(scalars=[wrong])  # type: ignore[list-item]
    with pytest.raises(OverflowError, match="does not fit 64 bits"):
        TaskArgs(scalars=[2**70])


# ---- building ------------------------------------------------------------------------------------------------------


def test_arguments_that_are_initialised_again_are_empty_first(pool: _core.MemoryPool) -> None:
    tensor = empty(pool, 4, "float32")
    args = TaskArgs((tensor, Tag.INPUT), (np.zeros(2), Tag.INPUT), scalars=[1])
    args.__init__((tensor, Tag.OUTPUT))  # type: ignore[misc]
    assert (len(args), args.scalar_count) == (1, 0)


@pytest.mark.parametrize("pair", [5, (1, 2, 3), "xy" * 2, None, ("a",)])
def test_a_value_that_is_no_pair_of_a_tensor_and_a_tag_is_refused(pair: Any) -> None:
    with pytest.raises(TypeError, match="pairs, for instance"):
        TaskArgs(pair)


def test_a_tag_is_one_of_Tag_and_not_its_number(pool: _core.MemoryPool) -> None:
    tensor = empty(pool, 4, "float32")
    with pytest.raises(TypeError, match=r"one of Tag\.INPUT"):
        TaskArgs((tensor, 0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"one of Tag\.INPUT"):
        TaskArgs().add_tensor(tensor, True)  # type: ignore[arg-type]


def test_a_name_that_TaskArgs_does_not_take_is_refused() -> None:
    with pytest.raises(TypeError, match="nothing else by name"):
        TaskArgs(scalar=[1])  # type: ignore[call-arg]


def test_scalars_come_from_any_iterable_in_order(pool: _core.MemoryPool) -> None:
    for scalars in ([1, 2.0, True], (1, 2.0, True), iter([1, 2.0, True]), np.array([1.0, 2.0, 1.0])):
        assert TaskArgs(scalars=scalars).scalar_count == 3


def test_adding_arguments_after_a_submit_does_not_change_the_submitted_ones(pool: _core.MemoryPool) -> None:
    tensor = empty(pool, 4, "float32")
    args = TaskArgs((tensor, Tag.INPUT), scalars=[1])
    submitted = native_args(args, pool)
    args.add_tensor(tensor, Tag.OUTPUT)
    args.add_scalar(2)
    assert submitted is not None
    assert (submitted.tensor_count, submitted.scalar_count) == (1, 1)
    assert (len(args), args.scalar_count) == (2, 2)


def test_a_cycle_of_arguments_and_the_objects_that_they_hold_is_collected(pool: _core.MemoryPool) -> None:
    class Array(np.ndarray[Any, Any]):
        pass

    array = np.zeros(2).view(Array)
    args = TaskArgs((array, Tag.INPUT))
    array.args = args  # type: ignore[attr-defined]
    gone = weakref.ref(array)
    del array, args
    gc.collect()
    assert gone() is None
