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
    from importlib.machinery import ModuleSpec

    from runtime.chips.chip_callable import ChipCallable, CoreCallable
    from runtime.chips.chip_worker import ChipWorker
    from runtime.executor.executor import Executor
    from runtime.graphs.graph import Graph, GraphTask
    from runtime.graphs.recorder import Recorder
    from runtime.identity import ArgDirection, CallableHandle, CallableKind, TargetNamespace
    from runtime.observe.child_info import ChildInfo
    from runtime.observe.host_info import HostInfo
    from runtime.observe.stats import WorkerStats
    from runtime.observe.trace import CoreSpan, Glimpse, TaskSpan, Trace
    from runtime.options import CallConfig, WorkerOptions
    from runtime.processes.topology import Topology
    from runtime.registration.serialize import by_signature, by_source
    from runtime.runs.orchestrator import Orchestrator
    from runtime.runs.run_handle import GroupTask, RunHandle, Task
    from runtime.tensors.scalar import Scalar
    from runtime.tensors.tags import Tag
    from runtime.tensors.task_args import TaskArgs, TensorArgs
    from runtime.tensors.tensor import Tensor
    from runtime.virtual.chip_model import ChipModel, TaskCost
    from runtime.virtual.virtual_time import VirtualSpan, VirtualTime
    from runtime.worker import Worker

__version__ = "0.1.0"

_MODULE_OF = {
    "ArgDirection": "identity",
    "CallConfig": "options",
    "CallableHandle": "identity",
    "CallableKind": "identity",
    "ChildInfo": "observe.child_info",
    "ChipCallable": "chips.chip_callable",
    "ChipModel": "virtual.chip_model",
    "ChipWorker": "chips.chip_worker",
    "CoreCallable": "chips.chip_callable",
    "CoreSpan": "observe.trace",
    "Executor": "executor.executor",
    "Glimpse": "observe.trace",
    "Graph": "graphs.graph",
    "GraphTask": "graphs.graph",
    "GroupTask": "runs.run_handle",
    "HostInfo": "observe.host_info",
    "Orchestrator": "runs.orchestrator",
    "Recorder": "graphs.recorder",
    "RunHandle": "runs.run_handle",
    "Scalar": "tensors.scalar",
    "Tag": "tensors.tags",
    "TargetNamespace": "identity",
    "Task": "runs.run_handle",
    "TaskArgs": "tensors.task_args",
    "TaskCost": "virtual.chip_model",
    "TaskSpan": "observe.trace",
    "Tensor": "tensors.tensor",
    "TensorArgs": "tensors.task_args",
    "Topology": "processes.topology",
    "Trace": "observe.trace",
    "VirtualSpan": "virtual.virtual_time",
    "VirtualTime": "virtual.virtual_time",
    "Worker": "worker",
    "WorkerOptions": "options",
    "WorkerStats": "observe.stats",
    "by_signature": "registration.serialize",
    "by_source": "registration.serialize",
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
    "Glimpse",
    "Graph",
    "GraphTask",
    "GroupTask",
    "HostInfo",
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


class _PickledNames:
    """Finds modules by the names that pickles use. It is the last finder: called only for a module without a file."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of a module by the name that pickles use; None for any other name."""
        if not name.startswith("runtime."):
            return None
        from runtime import pickled_names

        return pickled_names.find_spec(name)


sys.meta_path.append(_PickledNames)

if "CALLRING_CORE_DIR" in os.environ or "t" in sys.abiflags:
    # Runs before the first import of the core: loads the extension in the given folder as runtime._core, and refuses a
    # Python without the global interpreter lock.
    from runtime import _select_core as _select_core
