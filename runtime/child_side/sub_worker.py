"""A Python sub-worker: executes registered Python callables on arrays that are views of shared memory."""

from __future__ import annotations

import importlib
import pickle
import sys
from typing import TYPE_CHECKING, Any

from runtime import _core, identity
from runtime.errors.wording import kind_of
from runtime.pickles import main_script
from runtime.pickles.outcomes import pack_exception, pickle_value
from runtime.processes import handed_on
from runtime.registration.serialize import BY_SIGNATURE
from runtime.registration.signature_call import call_by_signature

if TYPE_CHECKING:
    from collections.abc import Callable

_KIND_SERIALIZED, _KIND_SOURCE = 2, 4

SWITCH_INTERVAL = 0.0005
"""The longest time, in seconds, for which a task that keeps the interpreter's lock delays a registration."""


def main(control: int) -> int:
    """Serves the parent, over ``control``, until it sends shutdown; returns the exit status."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        host = _core.SubWorkerHost(control, Loader())
    except _core.NativeError:
        return 1  # the parent has received the reason, or has ended
    _hosts.append(host)
    host.serve(pickle_value, pack_exception)
    handed_on.finish()
    return 0


_hosts: list[_core.SubWorkerHost] = []
"""The host of this process, if it is a sub-worker. Never cleared: a process that retires still has a control thread."""


def retire() -> None:
    """Ends this sub-worker when its current task has ended; its parent replaces it by a fresh one."""
    for host in _hosts:
        host.retire()


class Loader:
    """The steps of a registration that need the interpreter. Called on the control thread."""

    kinds = (_KIND_SERIALIZED, _KIND_SOURCE)

    @staticmethod
    def describe(_kind: int, payload: bytes) -> bytes:
        """The descriptor of ``"module:qualname"`` from the source that this process finds."""
        return identity.build_python_source_descriptor(payload.decode())

    @staticmethod
    def load(kind: int, payload: bytes) -> Callable[[Any], Any]:
        """The callable: unpickled (kind 2), or imported by ``"module:qualname"`` (kind 4)."""
        function = pickle.loads(payload) if kind == _KIND_SERIALIZED else _import(payload.decode())
        main_script.remember(function)
        if not callable(function):
            raise TypeError(f"{kind_of(function)} is not callable")
        return call_by_signature(function) if getattr(function, BY_SIGNATURE, False) else function


def _import(target: str) -> Any:
    module_name, _, qualname = target.partition(":")
    value: Any = sys.modules.get(module_name) or importlib.import_module(module_name)
    for part in qualname.split("."):
        value = getattr(value, part)
    return value
