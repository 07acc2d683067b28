"""The programs that children execute, and the options and environment with which they start."""

from __future__ import annotations

import atexit
import math
import os
import pickle
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime import _core
from runtime.processes import handed_on
from runtime.processes.topology import NODE_LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.hosting.wire import Door
    from runtime.processes.topology import Topology


# A process that ends by itself leaves no fork server to the system, not even for a moment.
atexit.register(_core.end_kept_fork_server, for_good=True)

OF_THE_ENGINE = (
    "max_callables",
    "lane_capacity",
    "max_pending_tasks",
    "max_runs",
    "control_timeout",
    "start_timeout",
    "restart_window",
    "trace",
)
"""Options of a Worker that the native engine takes as they are, under the same names."""
_RESTARTS = 10


def core_folder() -> str:
    """The folder of the native core: ``bin`` and ``include`` lie beside the extension."""
    return os.path.dirname(_core.__file__)  # noqa: PTH120 - every start would wait for the import of pathlib


def engine_options(topology: Topology) -> _core.EngineOptions:
    """The options with which the native engine starts and serves the children of a Worker."""
    options = topology.options
    native = _core.EngineOptions()
    for name in OF_THE_ENGINE:
        setattr(native, name, getattr(options, name))
    native.platform, native.runtime = topology.platform, topology.runtime
    native.cores_per_chip = options.cores_per_chip or 0
    native.max_restarts = _restart_limit(options.max_restarts)
    folder, parent = core_folder(), str(os.getpid())
    native.chip_program = [os.fsencode(part) for part in (f"{folder}/bin/callring-chip", parent)]
    python = (f"{folder}/bin/callring-start", parent, sys.executable, "-c", _fork_server_code())
    native.fork_server_program = [os.fsencode(part) for part in python]
    native.environment = _environment()
    if topology.sub_workers or topology.level > NODE_LEVEL:
        native.python_setup, descriptors = handed_on.setup()
        native.copy_descriptors(descriptors)
    return native


def _restart_limit(max_restarts: float | None) -> int | None:
    """``max_restarts`` in the native engine's form: None for no limit."""
    if max_restarts is None:
        return _RESTARTS
    return None if math.isinf(max_restarts) else int(max_restarts)


def child_specs(topology: Topology, doors: Mapping[int, Door]) -> list[tuple[str, int, _core.Payload | None, float]]:
    """The children that the native engine starts: kind, id, a node's setup, and its patience in seconds.

    Args:
        doors: how each hosted node reaches its hosting server, by its id.
    """
    # Only the Worker at the top decides whether traces are recorded.
    nodes = [replace(n, options=replace(n.options, trace=topology.options.trace)) for n in topology.nodes]
    return [
        *(("chip", chip, None, 0.0) for chip in topology.chip_ids),
        *(("node", i, _core.Payload(pickle.dumps((n, doors.get(i)))), n.patience) for i, n in enumerate(nodes)),
        *(("sub", i, None, 0.0) for i in range(topology.sub_workers)),
    ]


def _fork_server_code() -> str:
    # The parent's search path, set before the first import: a module in the current folder cannot shadow another.
    return f"import sys; sys.path[:] = {sys.path!r}; from runtime.child_side.fork_server import main; main()"


_THREADS_OF_ALL = "OMP_NUM_THREADS"
"""The variables by which numeric libraries choose their number of threads."""
_THREADS_OF_ONE = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _environment() -> list[bytes]:
    """The parent's environment, with one thread for numeric libraries unless it sets another number."""
    chosen = os.environ
    single = {} if _THREADS_OF_ALL in chosen else dict.fromkeys((_THREADS_OF_ALL, *_THREADS_OF_ONE), "1")
    return [os.fsencode(f"{name}={value}") for name, value in {**single, **chosen}.items()]
