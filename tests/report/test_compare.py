"""A comparison reports whether arrays agree, else the positions, the number and the largest of the differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.workloads.compare_arrays import EXACT, Tolerance, compare


def test_equal_arrays_agree_exactly():
    values = np.arange(12.0).reshape(3, 4)
    outcome = compare(values, values, EXACT)
    assert (outcome.passed, outcome.max_abs_error, outcome.differing) == (True, 0.0, 0)


def test_a_difference_names_the_first_the_worst_and_the_number():
    expected = np.zeros((3, 4), np.float32)
    actual = expected.copy()
    actual[0, 2] = 1.0
    actual[2, 1] = -5.0
    outcome = compare(actual, expected)
    assert (outcome.passed, outcome.max_abs_error, outcome.differing) == (False, 5.0, 2)
    assert outcome.message == (
        "2 of 12 elements differ, the first at [0, 2]; the worst at [2, 1]: expected 0.0, got -5.0"
    )


def test_the_tolerance_follows_from_the_dtype_of_the_computed_array():
    assert compare(np.float32([1.000005]), np.float64([1.0])).passed
    assert not compare(np.float64([1.000005]), np.float64([1.0])).passed
    assert not compare(np.int32([2]), np.int32([1])).passed


def test_a_bound_can_be_given_for_each_element():
    actual, expected = np.array([1.5, 1.5]), np.array([1.0, 1.0])
    assert compare(actual, expected, Tolerance(0.0, np.array([0.5, 0.5]))).passed
    assert compare(actual, expected, Tolerance(0.0, np.array([0.5, 0.4]))).differing == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_equals_only_itself(value):
    assert compare(np.array([value]), np.array([value])).passed
    assert not compare(np.array([value]), np.array([1.0])).passed
    assert not compare(np.array([1.0]), np.array([value])).passed
    assert not compare(np.array([-value]), np.array([value])).passed or np.isnan(value)


def test_an_error_that_is_not_finite_is_the_worst():
    outcome = compare(np.array([9.0, np.nan]), np.array([0.0, 1.0]))
    assert outcome.differing == 2
    assert "worst at [1]" in outcome.message


def test_one_element_is_no_plural_and_many_have_separators():
    assert compare(np.zeros(1), np.zeros(1)).message == "1 element agrees, largest error 0"
    assert compare(np.zeros(4500), np.zeros(4500)).message == "4,500 elements agree, largest error 0"
    assert compare(np.zeros(4500), np.ones(4500)).message.startswith("4,500 of 4,500 elements differ")


def test_arrays_without_elements_agree():
    assert compare(np.empty((0, 3)), np.empty((0, 3))).passed


def test_different_shapes_are_not_comparable():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        compare(np.zeros(2), np.zeros(3))


@given(arrays.arrays(np.float32, arrays.array_shapes(), elements=st.floats(width=32)), st.data())
def test_changing_one_element_is_found_at_its_place(values, data):
    index = tuple(data.draw(st.integers(0, n - 1)) for n in values.shape)
    changed = values.copy()
    changed[index] = data.draw(st.floats(width=32).filter(lambda x: x != values[index] and not np.isnan(x)))
    if np.isnan(values[index]):
        changed[index] = 0.0
    assert compare(values, values, EXACT).passed
    outcome = compare(changed, values, EXACT)
    assert (outcome.passed, outcome.differing) == (False, 1)
    assert f"the worst at {list(index)}" in outcome.message
