"""Tensors in shared memory: views equal NumPy's, memory stays alive, errors say what to do."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from runtime import _core
from runtime.tensors.tensor import Tensor, empty, share, zeros

DTYPES = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "bool",
    "float16",
    "float32",
    "float64",
]


def new_pool() -> _core.MemoryPool:
    return _core.MemoryPool(1 << 20, 1 << 24)


POOL = new_pool()


def counted(*shape: int) -> Tensor:
    return share(POOL, np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape))


def array_of(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The array of the tensor's own shape, strides and address, without its numpy()."""
    view = memoryview(tensor)
    assert (view.shape, view.strides) == (tensor.shape, tensor.strides)
    return np.asarray(view)


# ---- views --------------------------------------------------------------------------------------------------------


@given(data=st.data(), shape=npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6))
def test_a_view_by_integers_slices_and_ellipsis_is_the_view_that_numpy_makes(
    data: st.DataObject, shape: tuple[int, ...]
) -> None:
    tensor = share(POOL, np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape))
    index = data.draw(npst.basic_indices(shape, allow_newaxis=True, max_dims=8))
    expected = tensor.numpy()[index]
    view = tensor[index]
    assert view.shape == np.shape(expected)
    np.testing.assert_array_equal(array_of(view), expected)
    if np.size(expected):
        assert np.shares_memory(view.numpy(), tensor.numpy())


@given(data=st.data())
def test_a_view_of_a_view_of_a_view_is_still_the_view_that_numpy_makes(data: st.DataObject) -> None:
    tensor = counted(4, 5, 6)
    array = tensor.numpy()
    for _ in range(3):
        index = data.draw(npst.basic_indices(array.shape, min_dims=0))
        tensor, array = tensor[index], np.asarray(array[index])
        axes = data.draw(st.permutations(range(array.ndim)))
        tensor, array = tensor.transpose(*axes), array.transpose(axes)
    assert tensor.shape == array.shape
    np.testing.assert_array_equal(array_of(tensor), array)


def test_a_transposed_tensor_is_a_view() -> None:
    tensor = counted(2, 3)
    np.testing.assert_array_equal(tensor.T.numpy(), tensor.numpy().T)
    np.testing.assert_array_equal(tensor.transpose().numpy(), tensor.numpy().T)
    tensor.T[2, 1].numpy()[...] = 77
    assert tensor.numpy()[1, 2] == 77


def test_a_reshaped_tensor_shares_the_memory() -> None:
    tensor = counted(4, 6)
    reshaped = tensor.reshape(2, -1, 3)
    assert reshaped.shape == (2, 4, 3)
    reshaped.numpy()[1, 3, 2] = -1
    assert tensor.numpy()[3, 5] == -1
    assert tensor[0:0].reshape(0, 9).shape == (0, 9)


def test_a_reshape_that_would_copy_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a copy"):
        counted(4, 6)[:, ::2].T.reshape(12)
    with pytest.raises(ValueError, match="cannot reshape"):
        counted(4, 6).reshape(5, 5)


@pytest.mark.parametrize(
    "index",
    [True, False, np.True_, [0, 1], np.array([0, 2]), np.array([True] * 4), (0, [1]), 1.0, "a"],
    ids=repr,
)
def test_an_index_for_which_numpy_would_copy_is_refused(index: Any) -> None:
    with pytest.raises(TypeError, match="integers and slices only"):
        counted(4, 6)[index]


def test_numpys_integers_index_like_pythons() -> None:
    tensor = counted(4, 6)
    np.testing.assert_array_equal(tensor[np.int64(2), np.array(1)].numpy(), tensor.numpy()[2, 1])


def test_an_index_outside_is_refused() -> None:
    with pytest.raises(IndexError, match="index 9 is out of bounds"):
        counted(4, 6)[9]
    with pytest.raises(IndexError, match="too many indices"):
        counted(4, 6)[0, 0, 0]
    for far in (-7, 1 << 64, -(1 << 64)):
        with pytest.raises(IndexError):
            counted(4, 6)[:, far]
    with pytest.raises(ValueError, match="at most 8 dimensions"):
        counted(4)[(None,) * 8]


@pytest.mark.parametrize("index", [slice(None, None, 0), slice("a", None), (slice(0, 1.5), 0)], ids=repr)
def test_a_slice_that_numpy_refuses_is_refused_with_the_same_words(index: Any) -> None:
    tensor = counted(4, 6)
    with pytest.raises((TypeError, ValueError)) as by_numpy:
        tensor.numpy()[index]
    with pytest.raises(by_numpy.type) as raised:
        tensor[index]
    assert str(raised.value) == str(by_numpy.value)


@pytest.mark.parametrize("step", [1 << 60, 1 << 62, 1 << 100, -(1 << 62), -(1 << 100)])
def test_a_step_beyond_the_end_selects_one_row(step: int) -> None:
    view = counted(4, 6)[::step]
    assert view.shape == (1, 6)
    np.testing.assert_array_equal(view[0].numpy(), counted(4, 6).numpy()[::step][0])


# ---- attributes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_shared_array_keeps_its_dtype_and_values(dtype: str) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    tensor = share(POOL, array)
    assert (tensor.dtype, tensor.shape, tensor.strides) == (dtype, array.shape, array.strides)
    assert (tensor.nbytes, tensor.ndim, tensor.size, len(tensor)) == (array.nbytes, 2, 6, 2)
    assert tensor.numpy().dtype == array.dtype
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_an_array_in_foreign_byte_order_or_memory_order_is_shared_by_value() -> None:
    for array in (np.arange(6, dtype=">f4"), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(9)[::-2]):
        np.testing.assert_array_equal(share(POOL, array).numpy(), array)


def test_the_repr_of_a_tensor_has_its_dtype_shape_and_address() -> None:
    tensor = empty(new_pool(), (4, 5), "float32")
    assert repr(tensor) == "<Tensor float32 (4, 5) arena 0 + 0>"
    assert repr(tensor[1]) == "<Tensor float32 (5,) arena 0 + 20>"


def test_a_tensor_without_dimensions_has_no_length() -> None:
    tensor = share(POOL, np.float64(2.5))
    assert (tensor.shape, tensor.nbytes, float(tensor.numpy())) == ((), 8, 2.5)
    with pytest.raises(TypeError, match="without dimensions"):
        len(tensor)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(3, (3,)), (np.int64(3), (3,)), ((), ()), ([2, 0, 3], (2, 0, 3)), (np.array([2, 3]), (2, 3))],
)
def test_a_shape_is_an_integer_or_a_sequence_of_them(shape: Any, expected: tuple[int, ...]) -> None:
    assert empty(POOL, shape, np.float32).shape == expected


@pytest.mark.parametrize(
    ("shape", "error", "words"),
    [
        ((-1,), ValueError, "shape=-1: an integer from 0"),
        ((1,) * 9, ValueError, "at most 8 dimensions, not 9"),
        ((2**62, 4), ValueError, "size overflows"),
        ((2.5,), ValueError, r"shape=2\.5: an integer from 0"),
        (1 << 30, MemoryError, "memory_limit_bytes"),
    ],
)
def test_an_impossible_shape_is_refused(shape: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        empty(POOL, shape, "float32")


@pytest.mark.parametrize("dtype", [complex, object, "datetime64[s]", "U3", np.longdouble])
def test_a_dtype_that_tensors_do_not_have_is_refused_by_name(dtype: Any) -> None:
    with pytest.raises(TypeError, match=f"dtype '{np.dtype(dtype).name}'".replace("[", r"\[").replace("]", r"\]")):
        empty(POOL, (2,), dtype)


def test_bfloat16_has_views_but_no_numpy_array() -> None:
    tensor = empty(POOL, (4, 6), "bfloat16")
    assert (tensor.dtype, tensor.nbytes, tensor.strides) == ("bfloat16", 48, (12, 2))
    view = tensor[1:3, ::2].T
    assert (view.dtype, view.shape, view.strides) == ("bfloat16", (3, 2), (4, 12))
    for refused in (tensor.numpy, lambda: np.asarray(tensor), tensor.__dlpack__):
        with pytest.raises(TypeError, match="NumPy has no bfloat16"):
            refused()


# ---- memory -------------------------------------------------------------------------------------------------------


def test_zeros_are_zero_even_in_reused_memory() -> None:
    pool = new_pool()
    empty(pool, (1000,), "uint8").numpy()[...] = 255
    assert not zeros(pool, (1000,), "uint8").numpy().any()


def test_an_array_keeps_its_tensors_memory_alive() -> None:
    pool = new_pool()
    array = share(pool, np.full(1000, 7, np.uint8)).numpy()[10:20]
    gc.collect()
    assert pool.bytes_in_use == 1024
    other = empty(pool, (1000,), "uint8")
    other.numpy()[...] = 0
    assert (array == 7).all()
    del array, other
    gc.collect()
    assert pool.bytes_in_use == 0


@pytest.mark.parametrize(
    "borrow",
    [lambda t: t[3:4], lambda t: t.T, memoryview, np.asarray, np.from_dlpack],
    ids=["slice", "transpose", "memoryview", "asarray", "dlpack"],
)
def test_every_borrower_of_a_tensors_memory_keeps_it(borrow: Any) -> None:
    pool = new_pool()
    borrowed = borrow(share(pool, np.full(100, 7, np.uint8)))
    gc.collect()
    assert pool.bytes_in_use == 128
    assert np.asarray(borrowed)[0] == 7
    del borrowed
    gc.collect()
    assert pool.bytes_in_use == 0


def test_a_tensor_outlives_its_pool() -> None:
    pool = new_pool()
    tensor = zeros(pool, (10,), "int64")
    del pool
    gc.collect()
    tensor.numpy()[...] = 3
    assert tensor.numpy().sum() == 30


def test_the_array_is_writable_and_is_the_memory_itself() -> None:
    tensor = zeros(POOL, (2, 3), "float32")
    tensor.numpy()[1, 2] = 5
    memoryview(tensor)[0, 1] = 6.0
    np.from_dlpack(tensor)[0, 0] = 4
    np.testing.assert_array_equal(np.asarray(tensor), [[4, 6, 0], [0, 0, 5]])


def test_conversion_to_an_array_copies_only_when_asked_or_needed() -> None:
    tensor = counted(2, 3)
    assert np.shares_memory(np.asarray(tensor), tensor.numpy())
    assert not np.shares_memory(np.array(tensor), tensor.numpy())
    assert np.asarray(tensor, dtype=np.float64).dtype == np.float64


def test_dlpack_offers_the_memory_of_the_host() -> None:
    tensor = counted(2, 3)[:, 1:]
    assert tensor.__dlpack_device__() == (1, 0)
    np.testing.assert_array_equal(np.from_dlpack(tensor), tensor.numpy())
