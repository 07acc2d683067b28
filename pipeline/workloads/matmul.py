"""The program matmul: C = A B in float32, the rows of C divided over the chips by whole tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.workloads.base import Verification, Workload, require
from pipeline.workloads.compare_arrays import Tolerance, compare
from pipeline.workloads.shares import shares
from runtime import Tag, TaskArgs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from runtime import CallableHandle, Orchestrator, Worker

_SCRATCH_BYTES = 65536
_PANEL_COLUMNS = 8


@dataclass(frozen=True)
class Settings:
    """Keys of a matmul workload: A is m x k, B is k x n.

    Raises:
        ConfigurationError: a value is out of range, or a packed tile of B exceeds the scratch memory of a block.
    """

    m: int = 512
    n: int = 512
    k: int = 512
    tile_m: int = 64
    """Rows of a tile of C."""
    tile_n: int = 64
    """Columns of a tile of C."""
    tile_k: int = 128
    """Steps of the inner dimension for which a tile of B is packed; tile_k * tile_n * 4 bytes, with tile_n rounded up
    to a multiple of 8, are at most 65536."""
    seed: int = 0
    """The seed of the random input, 0 or more."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        for name in ("m", "n", "k", "tile_m", "tile_n", "tile_k"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        require(self.seed >= 0, "seed", self.seed, "0 or more")
        width = -(-self.tile_n // _PANEL_COLUMNS) * _PANEL_COLUMNS
        most = _SCRATCH_BYTES // (4 * width)
        require(
            self.tile_k <= most,
            "tile_k",
            self.tile_k,
            f"at most {most} with tile_n={self.tile_n}, so that a packed tile fits {_SCRATCH_BYTES} bytes"
            if most
            else f"tile_n={self.tile_n} is too wide for any tile_k; at most {_SCRATCH_BYTES // 4}",
        )


class Matmul(Workload[Settings]):
    """One task for each chip, verified against NumPy with the error bound of a float32 dot product."""

    settings_type = Settings
    chip_callables = ("matmul",)

    def prepare(self, worker: Worker) -> None:
        """Makes A and B, standard normal, and C."""
        s = self.settings
        random = np.random.default_rng(s.seed)
        # Private copies: a kernel that overwrites its input must not change the expected result.
        self._inputs = random.standard_normal((s.m, s.k), np.float32), random.standard_normal((s.k, s.n), np.float32)
        self._a, self._b = (worker.share(matrix) for matrix in self._inputs)
        self._c = worker.zeros((s.m, s.n), "float32")

    def orchestrate(self, o: Orchestrator, handles: Mapping[str, CallableHandle]) -> None:
        """Every chip multiplies its rows of A with all of B."""
        s = self.settings
        for chip, tiles in shares(-(-s.m // s.tile_m), self.chips):
            rows = slice(tiles.start * s.tile_m, min(tiles.stop * s.tile_m, s.m))
            args = TaskArgs(
                (self._a[rows], Tag.INPUT),
                (self._b, Tag.INPUT),
                (self._c[rows], Tag.OUTPUT),
                scalars=[s.tile_m, s.tile_n, s.tile_k],
            )
            o.submit_next_level(handles["matmul"], args, worker=chip)

    def verify(self) -> Verification:
        """Compares C with NumPy's product in float64, within ``error_bound``."""
        a, b = (matrix.astype(np.float64) for matrix in self._inputs)
        outcome = compare(self._c.numpy(), a @ b, error_bound(a, b))
        s = self.settings
        figures: dict[str, int | float | str] = {
            "elements": s.m * s.n,
            "operations": 2 * s.m * s.n * s.k,
            "max_abs_error": outcome.max_abs_error,
        }
        return Verification(outcome.passed, figures, f"C: {outcome.message}")


def error_bound(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> Tolerance:
    """Largest error of a float32 product a @ b (m, k) x (k, n) with sums in any order: ``k u / (1 - k u) * |a| @ |b|``.

    Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.5; u = 2**-24.
    """
    ku = a.shape[1] * 2.0**-24
    return Tolerance(0.0, ku / (1.0 - ku) * (np.abs(a) @ np.abs(b)))
