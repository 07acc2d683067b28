"""Compares a computed with an expected array; reports the positions, the number and the largest of the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.common.counts import count_of

if TYPE_CHECKING:
    import numpy.typing as npt


class Tolerance(NamedTuple):
    """Allowed error of an element: ``absolute + relative * |expected|``."""

    relative: float
    absolute: float | npt.NDArray[np.float64]
    """One bound for all elements, or one for each."""


EXACT = Tolerance(0.0, 0.0)

DEFAULT_TOLERANCES = {
    np.dtype(np.float16): Tolerance(1e-2, 1e-2),
    np.dtype(np.float32): Tolerance(1e-5, 1e-5),
    np.dtype(np.float64): Tolerance(1e-12, 1e-12),
}
"""Tolerances by the dtype of the computed array; other dtypes are compared exactly."""


class Comparison(NamedTuple):
    """The outcome of comparing two arrays of one shape."""

    passed: bool
    max_abs_error: float
    """0 for empty arrays; infinite if an element of only one array is NaN or infinite."""
    differing: int
    """Number of elements outside the tolerance."""
    message: str


def compare(actual: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: Tolerance | None = None) -> Comparison:
    """Compares element by element, in double precision. NaN equals only NaN, an infinity only itself.

    Args:
        actual: the computed array; its dtype selects the default tolerance.
        expected: an array of the same shape, usually in a wider dtype.
        tolerance: the allowed error.

    Raises:
        ValueError: the shapes differ.
    """
    if actual.shape != expected.shape:
        raise ValueError(f"cannot compare shape {actual.shape} with the expected shape {expected.shape}")
    if tolerance is None:
        tolerance = DEFAULT_TOLERANCES.get(actual.dtype, EXACT)
    if np.array_equal(actual, expected):
        # The most frequent case, and many times faster than computing the differences.
        return Comparison(True, 0.0, 0, f"{_agree(actual.size)}, largest error 0")
    got = actual.astype(np.float64)
    want = expected.astype(np.float64)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where(same, 0.0, np.abs(got - want))
        error = np.where(np.isnan(error), np.inf, error)
        wrong = ~same & ~(error <= tolerance.absolute + tolerance.relative * np.abs(want))
        wrong |= np.isinf(error)
    max_abs_error = float(error.max(initial=0.0))
    differing = int(np.count_nonzero(wrong))
    if not differing:
        return Comparison(True, max_abs_error, 0, f"{_agree(actual.size)}, largest error {max_abs_error:.3g}")
    first = _index(wrong, int(np.argmax(wrong)))
    worst = _index(wrong, int(np.argmax(np.where(wrong, error, -1.0))))
    differ = f"{differing:,} of {count_of(actual.size, 'element')} {'differs' if differing == 1 else 'differ'}"
    return Comparison(
        False,
        max_abs_error,
        differing,
        f"{differ}, the first at {list(first)}; "
        f"the worst at {list(worst)}: expected {expected[worst]}, got {actual[worst]}",
    )


def _agree(elements: int) -> str:
    return f"{count_of(elements, 'element')} {'agrees' if elements == 1 else 'agree'}"


def _index(array: npt.NDArray[Any], flat: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, array.shape))
