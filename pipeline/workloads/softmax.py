"""The Python callable of the workload softmax, and its expected result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt


def softmax_rows(args: Sequence[npt.NDArray[Any]]) -> None:
    """Writes ``exp(row) / sum(exp(row))`` of every row.

    Args:
        args: logits float32 (n, columns), and probabilities float32 (n, columns), which are written.
    """
    logits, probabilities = args[0], args[1]
    # The largest exponent becomes 0: no exponential overflows.
    np.exp(logits - logits.max(axis=1, keepdims=True), out=probabilities)
    probabilities /= probabilities.sum(axis=1, keepdims=True)


def expected(tensors: Mapping[str, npt.NDArray[Any]], sizes: Mapping[str, float]) -> dict[str, npt.NDArray[Any]]:
    """The expected probabilities, in float64."""
    del sizes
    exponentials = np.exp(tensors["logits"].astype(np.float64))
    return {"probabilities": exponentials / exponentials.sum(axis=1, keepdims=True)}
