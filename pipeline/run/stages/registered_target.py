"""The form in which a Python callable is registered: one function for the Worker, and for the lock, which needs it
before a Worker runs."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from pipeline.config.targets import resolve_target, takes_handles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config.specs import PythonSpec
    from runtime import CallableHandle


def registered_target(
    spec: PythonSpec, handles: Mapping[str, CallableHandle]
) -> tuple[Any, Mapping[str, CallableHandle]]:
    """``"module:qualname"``, or the function itself if it is pickled; and the handles that it captures.

    Args:
        spec: the declared callable.
        handles: of the callables registered before it, by name. A function that takes handles captures them all.

    Raises:
        ConfigurationError: the function cannot be imported.
    """
    if not spec.pickle_by_value:
        return spec.target, {}
    function = resolve_target(spec.target, f"workload.callables.{spec.name}.target", [spec.target.partition(":")[0]])
    if not takes_handles(function):
        return function, {}
    # A pickle refers to a repeated string if it is the same object. The names are interned here, so that this does not
    # depend on how a process got its configuration.
    captured = {sys.intern(name): handle for name, handle in handles.items()}
    return functools.update_wrapper(functools.partial(function, handles=captured), function), captured
