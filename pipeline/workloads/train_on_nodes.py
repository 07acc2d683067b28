"""The functions of the workload train_on_nodes: data-parallel training of a network for handwritten digits.

Each step needs the gradient of one batch. The parent divides the batch over the nodes, and each node divides its part
over its chips. All sums are exact, so the trained network has the same bits as one that NumPy trains in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.workloads.digits import CLASSES, PIXELS, load_digits
from pipeline.workloads.shares import shares
from pipeline.workloads.train_mlp_digits import Network, train
from runtime import CallConfig, Tag, TaskArgs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from pipeline.workloads.declared.program import Context
    from pipeline.workloads.digits import Digits
    from pipeline.workloads.train_mlp_digits import Gradients, Trained
    from runtime import CallableHandle, Orchestrator, Tensor, TensorArgs


def orchestrate(
    o: Orchestrator, tensors: Mapping[str, Tensor], handles: Mapping[str, CallableHandle], context: Context
) -> None:
    """Trains, with the gradients of the nodes; the tensor ``parameters`` has the trained network in the end.

    Args:
        o: submits to the nodes.
        tensors: images uint8 (batch, 64), labels uint8 (batch,), parameters float64 (p,), sums float64 (nodes, p).
        handles: the handles by name; ``gradients_on_chips`` is one of them.
        context: the nodes, and the sizes of ``expected``.
    """
    images, labels, parameters, sums = (tensors[name] for name in ("images", "labels", "parameters", "sums"))

    def on_nodes(network: Network, digits: Digits) -> Gradients:
        count = len(digits.labels)
        images.numpy()[:count], labels.numpy()[:count] = digits.images, digits.labels
        parameters.numpy()[...] = flat(network.parameters())
        tasks = []
        for node, part in shares(count, context.nodes):
            args = TaskArgs(
                (images[part], Tag.INPUT), (labels[part], Tag.INPUT), (parameters, Tag.INPUT), (sums[node], Tag.OUTPUT)
            )
            tasks.append(o.submit_next_level(handles["gradients_on_chips"], args, worker=node))
        for task in tasks:
            task.result()
        return parts_of(sums.numpy()[: len(tasks)].sum(axis=0))

    trained = _trained(context.sizes, sums=on_nodes)
    parameters.numpy()[...] = flat(trained.network.parameters())


def gradients_on_chips(o: Orchestrator, args: TensorArgs, *, handles: Mapping[str, CallableHandle]) -> None:
    """Sums the gradient over a node's digits.

    Args:
        o: submits to the node's own chips.
        args: images uint8 (n, 64), labels uint8 (n,), parameters float64 (p,), and sums float64 (p,), which is written.
        handles: the handles by name; ``gradients`` is one of them.
    """
    images, labels, parameters, sums = args[0], args[1], args[2], args[3]
    chips = tuple(o.topology.chip_ids)
    of_chips = o.alloc((len(chips), parameters.shape[0]), "float64")
    tasks = []
    for i, (chip, part) in enumerate(shares(labels.shape[0], chips)):
        given = TaskArgs(
            (images[part], Tag.INPUT), (labels[part], Tag.INPUT), (parameters, Tag.INPUT), (of_chips[i], Tag.OUTPUT)
        )
        tasks.append(o.submit_next_level(handles["gradients"], given, CallConfig(block_count=1), worker=chip))
    for task in tasks:
        task.result()
    np.sum(of_chips.numpy()[: len(tasks)], axis=0, out=sums.numpy())


def expected(tensors: Mapping[str, npt.NDArray[Any]], sizes: Mapping[str, float]) -> dict[str, npt.NDArray[Any]]:
    """The parameters of the network that NumPy trains in one process.

    Args:
        tensors: unused.
        sizes: hidden, batch, epochs and seed, as for ``train``.
    """
    del tensors
    return {"parameters": flat(_trained(sizes).network.parameters())}


def flat(parts: Gradients) -> npt.NDArray[np.float64]:
    """All parameters, or their gradients, as one vector."""
    return np.concatenate([part.ravel() for part in parts])


def parts_of(vector: npt.NDArray[np.float64]) -> Gradients:
    """Views of a vector of ``flat``, one for each parameter."""
    hidden = (len(vector) - CLASSES) // (PIXELS + 1 + CLASSES)
    w1, b1, w2, b2 = np.split(vector, np.cumsum([PIXELS * hidden, hidden, hidden * CLASSES]))
    return w1.reshape(PIXELS, hidden), b1, w2.reshape(hidden, CLASSES), b2


def _trained(sizes: Mapping[str, float], **how: Any) -> Trained:
    hidden, batch, epochs, seed = (int(sizes[name]) for name in ("hidden", "batch", "epochs", "seed"))
    return train(load_digits(), seed=seed, hidden=hidden, batch=batch, epochs=epochs, **how)
