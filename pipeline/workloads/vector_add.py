"""The program vector_add: every chip adds its slice of two vectors; the slices of one buffer are independent tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.workloads.base import Verification, Workload, require
from pipeline.workloads.compare_arrays import EXACT, compare
from pipeline.workloads.shares import shares
from runtime import Tag, TaskArgs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime import CallableHandle, Orchestrator, Worker


@dataclass(frozen=True)
class Settings:
    """Keys of a vector_add workload.

    Raises:
        ConfigurationError: a value is out of range.
    """

    size: int = 1 << 20
    """Elements of each vector (float32), at least 1."""
    seed: int = 0
    """The seed of the random input, 0 or more."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        require(self.size >= 1, "size", self.size, "at least 1 element")
        require(self.seed >= 0, "seed", self.seed, "0 or more")


class VectorAdd(Workload[Settings]):
    """out = left + right, verified exactly: float32 addition is one correctly rounded operation (IEEE 754)."""

    settings_type = Settings
    chip_callables = ("add",)

    def prepare(self, worker: Worker) -> None:
        """Makes left and right, uniform in [0, 1), and out."""
        random = np.random.default_rng(self.settings.seed)
        size = self.settings.size
        self._left, self._right, self._out = (worker.empty(size, "float32") for _ in range(3))
        left, right = self._left.numpy(), self._right.numpy()
        random.random(dtype=np.float32, out=left)
        random.random(dtype=np.float32, out=right)
        # Computed before any chip runs: a kernel that overwrites its input must not change the expected result.
        self._expected = left + right

    def orchestrate(self, o: Orchestrator, handles: Mapping[str, CallableHandle]) -> None:
        """Submits one task for each chip."""
        for chip, part in shares(self.settings.size, self.chips):
            args = TaskArgs(
                (self._left[part], Tag.INPUT), (self._right[part], Tag.INPUT), (self._out[part], Tag.OUTPUT)
            )
            o.submit_next_level(handles["add"], args, worker=chip)

    def verify(self) -> Verification:
        """Compares out with NumPy's sum, bit by bit."""
        outcome = compare(self._out.numpy(), self._expected, EXACT)
        figures: dict[str, int | float | str] = {
            "elements": self.settings.size,
            "max_abs_error": outcome.max_abs_error,
        }
        return Verification(outcome.passed, figures, f"out: {outcome.message}")
