"""Intervals of ratios: real differences are found, and noise is almost never reported as a difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.baseline.interval import LEAST_RUNS, ratio_of_medians

SERIES = st.lists(st.floats(1e-6, 1e3), min_size=LEAST_RUNS, max_size=40)


def noisy(random, count, correlation, spread=0.1):
    """Log-normal measurements, each correlated with the one before it."""
    steps = random.standard_normal(count)
    values = [steps[0]]
    for step in steps[1:]:
        values.append(correlation * values[-1] + (1 - correlation**2) ** 0.5 * step)
    return np.exp(spread * np.array(values))


@given(SERIES, SERIES)
def test_an_interval_holds_its_ratio_and_is_the_same_each_time(old, new):
    found = ratio_of_medians(old, new, 0.95)
    assert found.ratio == pytest.approx(np.median(new) / np.median(old))
    assert found.low <= found.ratio <= found.high
    assert found == ratio_of_medians(old, new, 0.95)


@given(SERIES, SERIES)
def test_more_confidence_never_makes_an_interval_narrower(old, new):
    narrow, wide = (ratio_of_medians(old, new, confidence) for confidence in (0.9, 0.99))
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@given(SERIES, SERIES, st.floats(0.01, 100))
def test_the_unit_of_measurement_does_not_matter(old, new, factor):
    one = ratio_of_medians(old, new, 0.95)
    other = ratio_of_medians([x * factor for x in old], [x * factor for x in new], 0.95)
    assert (one.ratio, one.low, one.high) == pytest.approx((other.ratio, other.low, other.high))


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.05), (0.3, 0.09)])
def test_an_unchanged_time_is_almost_never_reported_as_slower_or_faster(correlation, most):
    random = np.random.default_rng(3)
    verdicts = [
        ratio_of_medians(noisy(random, 20, correlation), noisy(random, 20, correlation), 0.99).verdict
        for _ in range(150)
    ]
    assert sum(verdict != "same" for verdict in verdicts) <= most * len(verdicts)


def test_a_slowdown_by_a_third_is_almost_always_found_with_its_size():
    random = np.random.default_rng(4)
    found = [ratio_of_medians(noisy(random, 20, 0.3), 1.33 * noisy(random, 20, 0.3), 0.99) for _ in range(100)]
    assert sum(ratio.verdict == "slower" for ratio in found) >= 95
    assert sum(ratio.low <= 1.33 <= ratio.high for ratio in found) >= 90


@pytest.mark.parametrize("count", [1, LEAST_RUNS - 1])
def test_too_few_measurements_give_a_ratio_without_an_interval(count):
    found = ratio_of_medians([1.0] * count, [3.0] * 50, 0.99)
    assert (found.ratio, found.low, found.verdict) == (3.0, None, "unknown")
    assert not found.surely_above(1.0)


def test_a_long_series_is_compared_in_bounded_memory():
    random = np.random.default_rng(5)
    assert ratio_of_medians(noisy(random, 5000, 0), noisy(random, 5000, 0), 0.99).verdict == "same"
