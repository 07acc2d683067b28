"""The two-layer network that reads digits: its weights, read and checked, and its logits in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from pipeline.workloads.digits import CLASSES, PIXEL_SCALE, PIXELS, load_digits
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


class Weights(NamedTuple):
    """A trained network: float32 w1 (64, hidden), b1 (hidden,), w2 (hidden, 10), b2 (10,).

    ``heldout`` has the ascending indices of the digits on which it was not trained.
    """

    w1: npt.NDArray[np.float32]
    b1: npt.NDArray[np.float32]
    w2: npt.NDArray[np.float32]
    b2: npt.NDArray[np.float32]
    heldout: npt.NDArray[np.int64]


def load_weights(path: Path) -> Weights:
    """Reads and checks a network. Raises ConfigurationError: no such file, or not a file of the training script."""
    try:
        # Opened here, because NumPy does not close a file that is no archive.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            weights = Weights(*(file[name] for name in ("w1", "b1", "w2", "b2", "heldout")))
    except FileNotFoundError:
        raise ConfigurationError(f"workload.weights={str(path)!r}: no such file") from None
    except (KeyError, TypeError, ValueError, EOFError, OSError, BadZipFile) as error:
        raise ConfigurationError(f"workload.weights={str(path)!r}: not a network of this workload ({error})") from None
    _check(weights, path)
    return weights


def golden_logits(weights: Weights, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The logits float64 (n, 10) for images uint8 (n, 64), computed by NumPy in double precision."""
    w1, b1, w2, b2 = (w.astype(np.float64) for w in (weights.w1, weights.b1, weights.w2, weights.b2))
    hidden = np.maximum(images * PIXEL_SCALE @ w1 + b1, 0.0)
    return np.asarray(hidden @ w2 + b2)


def _check(weights: Weights, path: Path) -> None:
    hidden = weights.w1.shape[-1]
    wanted: dict[str, tuple[Any, ...]] = {
        "w1": (PIXELS, hidden),
        "b1": (hidden,),
        "w2": (hidden, CLASSES),
        "b2": (CLASSES,),
    }
    for name, shape in wanted.items():
        array = getattr(weights, name)
        if array.shape != shape or array.dtype != np.float32:
            raise ConfigurationError(
                f"workload.weights={str(path)!r}: {name} is {array.dtype} {array.shape}, expected float32 {shape}"
            )
    indices, count = weights.heldout, len(load_digits().labels)
    if (
        indices.dtype != np.int64
        or indices.ndim != 1
        or not len(indices)
        or not ((indices >= 0) & (indices < count)).all()
    ):
        raise ConfigurationError(
            f"workload.weights={str(path)!r}: heldout must be int64 indices from 0 to {count - 1}, at least one"
        )
