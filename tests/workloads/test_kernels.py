"""The kernels compute what NumPy computes, for every size, stride and number of blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.workloads.compare_arrays import Tolerance, compare
from pipeline.workloads.matmul import error_bound
from runtime.errors import ChipError

BLOCKS = st.integers(0, 9)
SEEDS = st.integers(0, 2**32 - 1)
TILES = st.tuples(*[st.integers(1, 48)] * 3)


def draw_array(random, shape, dtype, strided):
    """Random values; if strided, a view of every second element along each axis, surrounded by other values."""
    full = tuple(2 * n for n in shape) if strided else shape
    pixels = dtype == np.uint8
    values = random.integers(0, 17, full, np.uint8) if pixels else random.standard_normal(full).astype(dtype)
    return values[tuple(slice(None, None, 2) for _ in shape)] if strided else values


def sum_bound(*terms):
    """Bound of the error of a float32 sum of products: one rounding for each term and each addition."""
    count = 2 * sum(term.shape[-1] if term.ndim > 1 else 1 for term in terms) + 4
    return count * 2.0**-24


@given(size=st.integers(1, 300), blocks=BLOCKS, seed=SEEDS, strided=st.booleans())
def test_vector_add_is_exact_for_any_size_stride_and_number_of_blocks(execute, size, blocks, seed, strided):
    random = np.random.default_rng(seed)
    left, right, out = (draw_array(random, (size,), np.float32, strided) for _ in range(3))
    execute("vector_add", left, right, out, blocks=blocks)
    np.testing.assert_array_equal(out, left + right)


@given(size=st.integers(1, 300), blocks=BLOCKS, seed=SEEDS)
def test_vector_add_unrolled_is_exact_for_any_size_and_number_of_blocks(execute, size, blocks, seed):
    random = np.random.default_rng(seed)
    left, right, out = (draw_array(random, (size,), np.float32, False) for _ in range(3))
    execute("vector_add_unrolled", left, right, out, blocks=blocks)
    np.testing.assert_array_equal(out, left + right)


@given(shape=st.tuples(*[st.integers(1, 40)] * 3), tiles=TILES, blocks=BLOCKS, seed=SEEDS, strided=st.booleans())
def test_matmul_is_within_the_error_bound_for_any_shape_stride_and_tiles(
    execute, *, shape, tiles, blocks, seed, strided
):
    m, n, k = shape
    random = np.random.default_rng(seed)
    a, b, c = (draw_array(random, shape, np.float32, strided) for shape in ((m, k), (k, n), (m, n)))
    execute("matmul", a, b, c, scalars=tiles, blocks=blocks)
    wide = a.astype(np.float64), b.astype(np.float64)
    outcome = compare(c, wide[0] @ wide[1], error_bound(*wide))
    assert outcome.passed, outcome.message


@given(tiles=TILES, blocks=BLOCKS)
def test_matmul_gives_the_same_bits_for_all_tiles_and_blocks(execute, tiles, blocks):
    random = np.random.default_rng(7)
    a, b = draw_array(random, (33, 21), np.float32, False), draw_array(random, (21, 19), np.float32, False)
    expected, actual = np.empty((33, 19), np.float32), np.empty((33, 19), np.float32)
    execute("matmul", a, b, expected, scalars=(64, 64, 64), blocks=1)
    execute("matmul", a, b, actual, scalars=tiles, blocks=blocks)
    np.testing.assert_array_equal(actual, expected)


def test_matmul_changes_no_memory_between_the_elements_of_a_strided_result(execute):
    whole = np.full((8, 8), 5.0, np.float32)
    execute("matmul", np.ones((4, 3), np.float32), np.ones((3, 4), np.float32), whole[::2, ::2], scalars=(2, 2, 2))
    expected = np.full((8, 8), 5.0, np.float32)
    expected[::2, ::2] = 3.0
    np.testing.assert_array_equal(whole, expected)


@given(shape=st.tuples(*[st.integers(1, 40)] * 3), blocks=BLOCKS, seed=SEEDS, strided=st.booleans())
def test_dense_relu_computes_a_layer_on_8_bit_images(execute, *, shape, blocks, seed, strided):
    samples, inputs, units = shape
    random = np.random.default_rng(seed)
    images = draw_array(random, (samples, inputs), np.uint8, strided)
    weights = draw_array(random, (inputs, units), np.float32, strided)
    bias = draw_array(random, (units,), np.float32, strided)
    hidden = draw_array(random, (samples, units), np.float32, strided)
    execute("dense_relu", images, weights, bias, hidden, scalars=[0.25], blocks=blocks)
    wide = 0.25 * (images.astype(np.float64) @ weights.astype(np.float64)) + bias
    size = 0.25 * (images.astype(np.float64) @ np.abs(weights.astype(np.float64))) + np.abs(bias)
    outcome = compare(hidden, np.maximum(wide, 0.0), Tolerance(0.0, sum_bound(images, bias) * size))
    assert outcome.passed, outcome.message


@given(shape=st.tuples(*[st.integers(1, 40)] * 3), blocks=BLOCKS, seed=SEEDS, strided=st.booleans())
def test_dense_computes_a_layer_without_activation(execute, *, shape, blocks, seed, strided):
    samples, units, classes = shape
    random = np.random.default_rng(seed)
    hidden = draw_array(random, (samples, units), np.float32, strided)
    weights = draw_array(random, (units, classes), np.float32, strided)
    bias = draw_array(random, (classes,), np.float32, strided)
    logits = draw_array(random, (samples, classes), np.float32, strided)
    execute("dense", hidden, weights, bias, logits, blocks=blocks)
    h, w = hidden.astype(np.float64), weights.astype(np.float64)
    outcome = compare(logits, h @ w + bias, Tolerance(0.0, sum_bound(h, bias) * (np.abs(h) @ np.abs(w) + np.abs(bias))))
    assert outcome.passed, outcome.message


@given(shape=st.tuples(*[st.integers(1, 20)] * 2), blocks=BLOCKS, seed=SEEDS, strided=st.booleans())
def test_join_partials_adds_in_place_exactly(execute, *, shape, blocks, seed, strided):
    random = np.random.default_rng(seed)
    into, other = (draw_array(random, shape, np.float32, strided) for _ in range(2))
    expected = into + other
    execute("join_partials", into, other, blocks=blocks)
    np.testing.assert_array_equal(into, expected)


@given(samples=st.integers(1, 20), hidden=st.integers(1, 24), chips=st.integers(1, 6), seed=SEEDS)
def test_the_shards_of_a_network_add_up_to_the_whole(execute, *, samples, hidden, chips, seed):
    random = np.random.default_rng(seed)
    images = random.integers(0, 17, (samples, 16), np.uint8)
    w1, b1, w2, b2 = (random.standard_normal(s).astype(np.float32) for s in ((16, hidden), hidden, (hidden, 10), 10))
    total = np.zeros((samples, 10), np.float32)
    for i, units in enumerate(np.array_split(np.arange(hidden), min(chips, hidden))):
        part = slice(units[0], units[-1] + 1)
        partial = np.full((samples, 10), np.nan, np.float32)
        bias = b2 if i == 0 else np.zeros(10, np.float32)
        execute("mlp_shard", images, w1[:, part], b1[part], w2[part], bias, partial, scalars=[1 / 16])
        execute("join_partials", total, partial)
    expected = np.maximum(images / 16 @ w1.astype(np.float64) + b1, 0) @ w2.astype(np.float64) + b2
    outcome = compare(total, expected, Tolerance(1e-5, 1e-4))
    assert outcome.passed, outcome.message


F32 = np.float32


@pytest.mark.parametrize(
    ("name", "arrays", "scalars", "code"),
    [
        ("vector_add", [np.zeros(4, F32), np.zeros(4, F32), np.zeros(4)], [], 1),
        ("vector_add", [np.zeros(4, F32), np.zeros(3, F32), np.zeros(4, F32)], [], 2),
        ("vector_add_unrolled", [np.zeros(8, F32)[::2], np.zeros(4, F32), np.zeros(4, F32)], [], 1),
        ("vector_add_unrolled", [np.zeros(4, F32), np.zeros(5, F32), np.zeros(4, F32)], [], 2),
        ("matmul", [np.zeros((2, 3)), np.zeros((3, 4), F32), np.zeros((2, 4), F32)], [1, 1, 1], 1),
        ("matmul", [np.zeros((2, 3), F32), np.zeros((2, 4), F32), np.zeros((2, 4), F32)], [1, 1, 1], 2),
        ("matmul", [np.zeros((2, 3), F32), np.zeros((3, 4), F32), np.zeros((2, 4), F32)], [1, 0, 1], 3),
        ("matmul", [np.zeros((1, 999), F32), np.zeros((999, 999), F32), np.zeros((1, 999), F32)], [1, 999, 999], 4),
        ("join_partials", [np.zeros((2, 3), F32), np.zeros(3, F32)], [], 1),
        ("join_partials", [np.zeros((2, 3), F32), np.zeros((3, 2), F32)], [], 2),
        ("dense", [np.zeros((2, 3), F32), np.zeros((4, 5), F32), np.zeros(5, F32), np.zeros((2, 5), F32)], [], 2),
        (
            "dense_relu",
            [np.zeros((2, 3), F32), np.zeros((3, 5), F32), np.zeros(5, F32), np.zeros((2, 5), F32)],
            [1.0],
            1,
        ),
    ],
)
def test_arguments_that_do_not_fit_give_the_documented_code(execute, name, arrays, scalars, code):
    with pytest.raises(ChipError) as caught:
        execute(name, *arrays, scalars=scalars, blocks=1)
    assert (caught.value.kernel_code, caught.value.kernel) == (code, name)
