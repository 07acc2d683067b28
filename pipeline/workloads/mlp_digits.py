"""The program mlp_digits: a two-layer network classifies handwritten digits, its first layer sharded over all chips.

Every chip has some columns of the first layer and the matching rows of the second, and so computes partial logits. The
partial logits are added pairwise, in a tree over the chips; the dependencies follow from the tensors alone. A Python
sub-worker, or the parent if there is none, turns logits into classes. The digits are held-out ones, on which the
weights were not trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.workloads.base import Verification, Workload, require
from pipeline.workloads.classify import classify
from pipeline.workloads.compare_arrays import compare
from pipeline.workloads.digit_network import golden_logits, load_weights
from pipeline.workloads.digits import CLASSES, PIXEL_SCALE, WEIGHTS, load_digits
from pipeline.workloads.shares import pieces, shares
from runtime import Tag, TaskArgs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime import CallableHandle, Orchestrator, Task, Worker


@dataclass(frozen=True)
class Settings:
    """Keys of an mlp_digits workload.

    Raises:
        ConfigurationError: a value is out of range.
    """

    batch: int = 32
    """Digits of one round, at least 1; the rounds are independent graphs."""
    min_accuracy: float = 0.95
    """Share of the held-out digits that must be classified right, 0 to 1."""
    weights: str = ""
    """A file written by ``python -m pipeline.workloads.train_mlp_digits --output``; empty: the project's own."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        require(self.batch >= 1, "batch", self.batch, "at least 1 digit")
        require(0.0 <= self.min_accuracy <= 1.0, "min_accuracy", self.min_accuracy, "0 to 1")


class MlpDigits(Workload[Settings]):
    """Classifies all held-out digits in rounds; verified against NumPy in float64, and by the accuracy."""

    settings_type = Settings
    chip_callables = ("shard", "join")
    python_callables = ("classify",)

    def __init__(self, settings: Mapping[str, Any], chips: tuple[int, ...], sub_workers: int) -> None:
        super().__init__(settings, chips, sub_workers)
        # Read here, so that a missing or wrong file is reported before anything is built or started.
        self._weights = load_weights(Path(self.settings.weights) if self.settings.weights else WEIGHTS)
        self._digits = load_digits().take(self._weights.heldout)
        self._shares = list(shares(self._weights.w1.shape[1], self.chips))

    def prepare(self, worker: Worker) -> None:
        """Makes shared tensors of digits and weights, of every chip's partial logits, and of the classes."""
        samples = len(self._digits.labels)
        self._images = worker.share(self._digits.images)
        self._labels = worker.share(self._digits.labels)
        self._w1 = worker.share(self._weights.w1)
        self._b1 = worker.share(self._weights.b1)
        self._w2 = worker.share(self._weights.w2)
        self._b2 = worker.share(self._weights.b2)
        self._no_bias = worker.zeros(CLASSES, "float32")
        self._partials = worker.zeros((len(self._shares), samples, CLASSES), "float32")
        self._classes = worker.zeros(samples, "uint8")

    def orchestrate(self, o: Orchestrator, handles: Mapping[str, CallableHandle]) -> None:
        """One round: a shard for each chip, a tree of joins whose root is the first chip, and the classes."""
        self._right: list[Task] = []
        for batch in pieces(len(self._digits.labels), self.settings.batch):
            for i, (chip, units) in enumerate(self._shares):
                args = TaskArgs(
                    (self._images[batch], Tag.INPUT),
                    (self._w1[:, units], Tag.INPUT),
                    (self._b1[units], Tag.INPUT),
                    (self._w2[units], Tag.INPUT),
                    (self._b2 if i == 0 else self._no_bias, Tag.INPUT),
                    (self._partials[i, batch], Tag.OUTPUT),
                    scalars=[PIXEL_SCALE],
                )
                o.submit_next_level(handles["shard"], args, worker=chip)
            self._join(o, handles["join"], batch)
            if self.sub_workers:
                args = TaskArgs(
                    (self._partials[0, batch], Tag.INPUT),
                    (self._labels[batch], Tag.INPUT),
                    (self._classes[batch], Tag.OUTPUT),
                )
                self._right.append(o.submit_sub(handles["classify"], args))

    def _join(self, o: Orchestrator, join: CallableHandle, batch: slice) -> None:
        distance = 1
        while distance < len(self._shares):
            for i in range(0, len(self._shares) - distance, 2 * distance):
                args = TaskArgs((self._partials[i, batch], Tag.INOUT), (self._partials[i + distance, batch], Tag.INPUT))
                o.submit_next_level(join, args, worker=self._shares[i][0])
            distance *= 2

    def verify(self) -> Verification:
        """Compares the logits with NumPy's, and the accuracy on the held-out digits with ``min_accuracy``."""
        logits, labels, classes = self._partials[0].numpy(), self._digits.labels, self._classes.numpy()
        tasks = self._right
        right = sum(task.result() for task in tasks) if tasks else classify([logits, labels, classes])
        outcome = compare(logits, golden_logits(self._weights, self._digits.images))
        # The sub-workers' classes must follow from the logits; the number of right classes does not prove that.
        consistent = bool(np.array_equal(classes, logits.argmax(axis=1))) and right == int((classes == labels).sum())
        accuracy = right / len(labels)
        enough = accuracy >= self.settings.min_accuracy
        figures: dict[str, int | float | str] = {
            "accuracy": accuracy,
            "max_abs_error": outcome.max_abs_error,
            "samples": len(labels),
            "shards": len(self._shares),
            "classified_by": "sub-workers" if self.sub_workers else "parent",
        }
        said = [f"logits: {outcome.message}", f"accuracy {accuracy:.4f} on {len(labels)} held-out digits"]
        if not enough:
            said[1] += f", less than workload.min_accuracy={self.settings.min_accuracy}"
        if not consistent:
            said.append(f"classes: those of the {figures['classified_by']} do not follow from the logits")
        return Verification(outcome.passed and enough and consistent, figures, "; ".join(said))
