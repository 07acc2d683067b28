"""Callring's library: Workers whose callables are named by the hash of the bytes that execute.

    from runtime import Worker, TaskArgs, Tag

Names are imported when they are first used, so that ``runtime.identity`` and ``runtime.errors`` need neither the native
core nor NumPy. The core comes from this package, or from the folder that ``CALLRING_CORE_DIR`` names (a sanitised or
debug build made by the pipeline); Python children inherit that choice.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.children import ChildInfo
    from runtime.chip_callable import ChipCallable, CoreCallable
    from runtime.chip_model import ChipModel, TaskCost
    from runtime.chip_worker import ChipWorker
    from runtime.executor import Executor
    from runtime.graph import Graph, GraphTask
    from runtime.identity import ArgDirection, CallableHandle, CallableKind, TargetNamespace
    from runtime.options import CallConfig, WorkerOptions
    from runtime.orchestrator import Orchestrator
    from runtime.recorder import Recorder
    from runtime.run_handle import GroupTask, RunHandle, Task
    from runtime.scalar import Scalar
    from runtime.serialize import by_signature, by_source
    from runtime.stats import WorkerStats
    from runtime.tags import Tag
    from runtime.tensor import TaskArgs, Tensor, TensorArgs
    from runtime.topology import Topology
    from runtime.trace import CoreSpan, TaskSpan, Trace
    from runtime.virtual_time import VirtualSpan, VirtualTime
    from runtime.worker import Worker

__version__ = "0.1.0"

_MODULE_OF = {
    "ArgDirection": "identity",
    "CallConfig": "options",
    "CallableHandle": "identity",
    "CallableKind": "identity",
    "ChildInfo": "children",
    "ChipCallable": "chip_callable",
    "ChipModel": "chip_model",
    "ChipWorker": "chip_worker",
    "CoreCallable": "chip_callable",
    "CoreSpan": "trace",
    "Executor": "executor",
    "Graph": "graph",
    "GraphTask": "graph",
    "GroupTask": "run_handle",
    "Orchestrator": "orchestrator",
    "Recorder": "recorder",
    "RunHandle": "run_handle",
    "Scalar": "scalar",
    "Tag": "tags",
    "TargetNamespace": "identity",
    "Task": "run_handle",
    "TaskArgs": "tensor",
    "TaskCost": "chip_model",
    "TaskSpan": "trace",
    "Tensor": "tensor",
    "TensorArgs": "tensor",
    "Topology": "topology",
    "Trace": "trace",
    "VirtualSpan": "virtual_time",
    "VirtualTime": "virtual_time",
    "Worker": "worker",
    "WorkerOptions": "options",
    "WorkerStats": "stats",
    "by_signature": "serialize",
    "by_source": "serialize",
}

__all__ = [
    "ArgDirection",
    "CallConfig",
    "CallableHandle",
    "CallableKind",
    "ChildInfo",
    "ChipCallable",
    "ChipModel",
    "ChipWorker",
    "CoreCallable",
    "CoreSpan",
    "Executor",
    "Graph",
    "GraphTask",
    "GroupTask",
    "Orchestrator",
    "Recorder",
    "RunHandle",
    "Scalar",
    "Tag",
    "TargetNamespace",
    "Task",
    "TaskArgs",
    "TaskCost",
    "TaskSpan",
    "Tensor",
    "TensorArgs",
    "Topology",
    "Trace",
    "VirtualSpan",
    "VirtualTime",
    "Worker",
    "WorkerOptions",
    "WorkerStats",
    "by_signature",
    "by_source",
]


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


if "CALLRING_CORE_DIR" in os.environ or "t" in sys.abiflags:
    # Before anything imports the core: another folder's extension takes the name runtime._core, or a Python without the
    # global interpreter lock is refused.
    from runtime import _select_core as _select_core
