"""The function that a run calls, and how many of (orchestrator, args, config) it passes."""

from __future__ import annotations

import inspect
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from runtime.errors.wording import kind_of
from runtime.processes.topology import CHIP_LEVEL
from runtime.registration.lazy_functions import LAZY, refuse_lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.processes.topology import Topology

GIVEN = 3
"""The number of arguments that a run can pass."""
_WITH_DEFAULT = ("args", "config")
# Other parameters with a default receive no argument: `lambda o, i=i: ...` binds a variable of a loop.


def orchestration(target: Any, topology: Topology) -> tuple[Callable[..., Any], int]:
    """The function that a run of ``target`` calls, and how many of the three arguments it takes.

    Raises:
        TypeError: not an orchestration function, from level 3 on; or a coroutine function or a generator function.
    """
    if topology.level == CHIP_LEVEL:
        (chip,) = topology.chip_ids
        return lambda o, args, config: o.submit_next_level(target, args, config, worker=chip) and None, GIVEN
    if not callable(target):
        raise TypeError(f"run takes the orchestration function itself at level {topology.level}, not {kind_of(target)}")
    return target, parameters_taken(target)


def parameters_taken(function: Callable[..., Any]) -> int:
    """How many of the three arguments ``function`` takes, in their order. Raises as refuse_lazy.

    ``inspect.signature`` takes longer than the rest of a run's start. For a plain function or method, the parameters
    are therefore read from its code.
    """
    plain: Any = function
    bound = type(function) is MethodType
    if bound:
        plain = plain.__func__
    if type(plain) is not FunctionType or plain.__dict__:  # it may have `__wrapped__` or `__signature__`
        return _by_signature(function)
    code = plain.__code__
    if code.co_flags & LAZY:
        _refuse_lazy(function)
    if code.co_flags & inspect.CO_VARARGS:
        return GIVEN
    if code.co_argcount < bound:  # a method without `self`
        return _by_signature(function)
    names = code.co_varnames[bound : code.co_argcount]
    without_default = code.co_argcount - bound - len(plain.__defaults__ or ())
    for i in range(max(0, without_default), len(names)):
        if names[i] not in _WITH_DEFAULT:
            return min(GIVEN, i)
    return min(GIVEN, len(names))


def _refuse_lazy(function: Callable[..., Any]) -> None:
    refuse_lazy(function, "cannot run", "make it a plain function")


def _by_signature(function: Callable[..., Any]) -> int:
    _refuse_lazy(function)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return GIVEN
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return GIVEN
    count = 0
    for parameter in parameters:
        positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if not positional or (parameter.default is not parameter.empty and parameter.name not in _WITH_DEFAULT):
            break
        count += 1
    return min(GIVEN, count)
