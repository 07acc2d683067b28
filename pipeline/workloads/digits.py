"""The handwritten digits and their split into training, validation and held-out parts.

The split depends only on the seed. Pixels are scaled by a constant, so no value is computed from held-out data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

DATA = Path(__file__).resolve().parent.parent / "data"
DIGITS = DATA / "digits.npz"
WEIGHTS = DATA / "mlp_digits.npz"

CLASSES = 10
PIXELS = 64
PIXEL_SCALE = 1.0 / 16.0
"""Maps the pixel values 0..16 to 0..1."""

HELDOUT = 450
VALIDATION = 225


class Digits(NamedTuple):
    """Images uint8 (n, 64) with values 0..16, and their labels uint8 (n,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def take(self, indices: npt.NDArray[np.int64]) -> Digits:
        """The digits with these indices, in this order."""
        return Digits(self.images[indices], self.labels[indices])


class Split(NamedTuple):
    """Ascending indices of three disjoint parts, which together are all digits."""

    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    heldout: npt.NDArray[np.int64]


def load_digits() -> Digits:
    """All 1,797 digits of the project (data/README.md)."""
    with np.load(DIGITS) as file:
        return Digits(file["images"], file["labels"])


def split(count: int, seed: int) -> Split:
    """Splits ``count`` digits at random. RandomState, because NumPy promises never to change its stream (NEP 19)."""
    order = np.random.RandomState(seed).permutation(count)
    parts = np.split(order, [count - VALIDATION - HELDOUT, count - HELDOUT])
    return Split(*(np.sort(part).astype(np.int64) for part in parts))
