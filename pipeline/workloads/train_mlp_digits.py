"""Trains the network of the workload mlp_digits: ``python -m pipeline.workloads.train_mlp_digits``.

It trains on the training part, keeps the epoch that is best on the validation part, and uses the held-out part once,
for the report. The same seed gives the same bits on every machine: factors of a matrix product are first rounded to
multiples of a power of two that is so coarse that all products and sums are exact in float64, in any order of the BLAS.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.workloads.digits import CLASSES, PIXEL_SCALE, PIXELS, WEIGHTS, Digits, load_digits, split

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

SEED = 1998
HIDDEN = 128
EPOCHS = 120
BATCH = 32
RATE = 0.05
MOMENTUM = 0.9
DECAY = 5e-4
"""Weight decay."""

# Values stay below 2**7 and are multiples of 2**-16: a product has at most 46 bits, a sum of 128 of them fits 53.
FRACTION_BITS = 16


@dataclass(frozen=True)
class Network:
    """Weights float64 w1 (64, hidden), b1 (hidden,), w2 (hidden, 10), b2 (10,), all multiples of 2**-16."""

    w1: Array
    b1: Array
    w2: Array
    b2: Array

    def hidden(self, inputs: Array) -> Array:
        """Activations of the first layer for inputs (n, 64): (n, hidden)."""
        return on_grid(np.maximum(inputs @ self.w1 + self.b1, 0.0))

    def logits(self, inputs: Array) -> Array:
        """Logits (n, 10) for inputs (n, 64)."""
        return self.hidden(inputs) @ self.w2 + self.b2

    def accuracy(self, digits: Digits) -> float:
        """Share of the digits whose largest logit is their label's."""
        return float(np.mean(self.logits(scaled(digits)).argmax(axis=1) == digits.labels))

    def parameters(self) -> tuple[Array, Array, Array, Array]:
        """All weights, in a fixed order."""
        return self.w1, self.b1, self.w2, self.b2


Gradients = tuple["Array", "Array", "Array", "Array"]
"""One array for each parameter, in the order of ``Network.parameters``."""


@dataclass(frozen=True)
class Trained:
    """The result of a training: the network of the epoch that was best on the validation part, and its figures."""

    network: Network
    epoch: int
    validation_accuracy: float
    heldout_accuracy: float
    heldout: npt.NDArray[np.int64]


def on_grid(values: Array) -> Array:
    """Rounds to multiples of 2**-FRACTION_BITS."""
    return np.asarray(np.round(values * 2.0**FRACTION_BITS) * 2.0**-FRACTION_BITS, np.float64)


def scaled(digits: Digits) -> Array:
    """Inputs float64 (n, 64) between 0 and 1."""
    return digits.images.astype(np.float64) * PIXEL_SCALE


def gradient_sums(network: Network, digits: Digits) -> Gradients:
    """For each parameter, the sum over the digits of the gradient of the cross entropy.

    The sums are exact for up to 128 digits, so they do not depend on how the digits are divided and added up.
    """
    inputs, targets = scaled(digits), np.eye(CLASSES)[digits.labels]
    hidden = network.hidden(inputs)
    logits = hidden @ network.w2 + network.b2
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    # The last bits of exp differ between processors; rounding to the grid removes the difference.
    error = on_grid(on_grid(odds) / on_grid(odds).sum(axis=1, keepdims=True) - targets)
    back = on_grid((error @ network.w2.T) * (hidden > 0.0))
    return inputs.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)


def train(
    digits: Digits,
    *,
    seed: int = SEED,
    hidden: int = HIDDEN,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    sums: Callable[[Network, Digits], Gradients] = gradient_sums,
) -> Trained:
    """Stochastic gradient descent with momentum on the cross entropy of the training part.

    Args:
        digits: all digits; ``split(len, seed)`` splits them.
        seed: the seed of the split, the initial weights and the batches.
        hidden: width of the first layer.
        epochs: passes over the training part; the one that is best on the validation part is kept.
        batch: digits of one step, up to 128.
        sums: computes what ``gradient_sums`` does, for instance on other machines.
    """
    parts = split(len(digits.labels), seed)
    training, validation = digits.take(parts.training), digits.take(parts.validation)
    random = np.random.RandomState(seed)
    network = _initial(random, hidden)
    speed = [np.zeros_like(p) for p in network.parameters()]
    best, best_epoch, best_accuracy = network, 0, network.accuracy(validation)
    for epoch in range(1, epochs + 1):
        order = random.permutation(len(training.labels))
        rate = RATE * (1.0 - (epoch - 1) / epochs)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            gradients = sums(network, training.take(chosen))
            moved = []
            for i, (parameter, gradient) in enumerate(zip(network.parameters(), gradients, strict=True)):
                speed[i] = MOMENTUM * speed[i] - rate * (gradient / len(chosen) + DECAY * parameter)
                moved.append(on_grid(parameter + speed[i]))
            network = Network(*moved)
        accuracy = network.accuracy(validation)
        if accuracy > best_accuracy:
            best, best_epoch, best_accuracy = network, epoch, accuracy
    return Trained(best, best_epoch, best_accuracy, best.accuracy(digits.take(parts.heldout)), parts.heldout)


def save(trained: Trained, seed: int, path: Path) -> None:
    """Writes the arrays that data/README.md lists; float32 holds weights below 256 without rounding."""
    network = trained.network
    np.savez(
        path,
        w1=network.w1.astype(np.float32),
        b1=network.b1.astype(np.float32),
        w2=network.w2.astype(np.float32),
        b2=network.b2.astype(np.float32),
        heldout=trained.heldout,
        seed=np.int64(seed),
        epoch=np.int64(trained.epoch),
        validation_accuracy=np.float64(trained.validation_accuracy),
        heldout_accuracy=np.float64(trained.heldout_accuracy),
    )


def _initial(random: np.random.RandomState, hidden: int) -> Network:
    """Uniform weights with the variance for ReLU activations (He et al. 2015), and zero biases."""
    first, second = (np.sqrt(6.0 / fan_in) for fan_in in (PIXELS, hidden))
    return Network(
        on_grid(random.uniform(-first, first, (PIXELS, hidden))),
        np.zeros(hidden),
        on_grid(random.uniform(-second, second, (hidden, CLASSES))),
        np.zeros(CLASSES),
    )


def main() -> None:
    """Trains, writes the weights and prints the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--hidden", type=int, default=HIDDEN, help="width of the first layer")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="the .npz file to write")
    options = parser.parse_args()
    trained = train(load_digits(), seed=options.seed, hidden=options.hidden)
    save(trained, options.seed, options.output)
    print(
        f"kept epoch {trained.epoch}: accuracy {trained.validation_accuracy:.4f} on the validation part, "
        f"{trained.heldout_accuracy:.4f} on the held-out part"
    )


if __name__ == "__main__":
    main()
