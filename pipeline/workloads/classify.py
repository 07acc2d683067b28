"""The Python callable of the workload mlp_digits: from logits to classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def classify(args: Sequence[npt.NDArray[Any]]) -> int:
    """Writes the class with the largest logit of every sample, and counts the right ones.

    Args:
        args: logits float32 (n, classes), labels uint8 (n,), and classes uint8 (n,), which is written.

    Returns:
        The number of samples whose class is their label.
    """
    logits, labels, classes = args[0], args[1], args[2]
    classes[...] = logits.argmax(axis=1)
    return int(np.count_nonzero(classes == labels))
