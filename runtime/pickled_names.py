"""The module names under which pickles refer to public classes and functions, wherever their files are.

A hashid of kind 2 covers a pickle, and a pickle names each class and function by its module. So the names below are
part of the hashids of users' functions, and of users' locks. They stay the same when one of these files moves.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType

_NAME_OF = {
    "runtime.chips.chip_callable": "runtime.chip_callable",
    "runtime.chips.chip_worker": "runtime.chip_worker",
    "runtime.executor.executor": "runtime.executor",
    "runtime.graphs.graph": "runtime.graph",
    "runtime.graphs.recorder": "runtime.recorder",
    "runtime.identity.descriptors": "runtime.identity",
    "runtime.identity.handle": "runtime.handle",
    "runtime.observe.child_info": "runtime.children",
    "runtime.observe.stats": "runtime.stats",
    "runtime.observe.trace": "runtime.trace",
    "runtime.processes.topology": "runtime.topology",
    "runtime.registration.serialize": "runtime.serialize",
    "runtime.runs.orchestrator": "runtime.orchestrator",
    "runtime.runs.run_handle": "runtime.run_handle",
    "runtime.tensors.scalar": "runtime.scalar",
    "runtime.tensors.tags": "runtime.tags",
    "runtime.tensors.task_args": "runtime.tensor",
    "runtime.virtual.chip_model": "runtime.chip_model",
    "runtime.virtual.virtual_time": "runtime.virtual_time",
}
"""The name in pickles of each module whose file has another name."""


def keep(module: str) -> None:
    """Called at the end of each module in _NAME_OF: gives its classes and functions the module name for pickles."""
    name, this = _NAME_OF[module], sys.modules[module]
    for value in vars(this).values():
        if isinstance(value, type | FunctionType) and value.__module__ == module:
            value.__module__ = name
    sys.modules.setdefault(name, this)


def find_spec(name: str) -> ModuleSpec | None:
    """The spec that imports the module with this name in pickles; None for any other name."""
    module = next((module for module, known in _NAME_OF.items() if known == name), None)
    return None if module is None else ModuleSpec(name, _SameModule(module))  # type: ignore[arg-type]


class _SameModule:
    """A loader that returns a module whose file has another name.

    It does not derive from a class of importlib.abc, which would be one more import at every start.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    @staticmethod
    def create_module(_spec: ModuleSpec) -> None:
        """Returns None: the import system makes an ordinary module, which exec_module replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Puts the existing module into ``sys.modules``, where the import system looks for the new one."""
        sys.modules[module.__name__] = importlib.import_module(self._module)
