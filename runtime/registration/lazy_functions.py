"""Functions whose call runs none of their code: coroutine functions and generator functions.

A task or a run of one would end at once, without an error, and nothing would have been done.
"""

from __future__ import annotations

import functools
import inspect
from types import CodeType, MethodType
from typing import Any

_KINDS = {
    inspect.CO_COROUTINE: "a coroutine function",
    inspect.CO_GENERATOR: "a generator function",
    inspect.CO_ASYNC_GENERATOR: "an asynchronous generator function",
}
LAZY = sum(_KINDS)
"""The flags of the code of such a function."""


def refuse_lazy(target: Any, use: str, instead: str) -> None:
    """Raises TypeError for such a function, method or partial.

    Args:
        use: what was to be done with it.
        instead: what the user can do.
    """
    function = target
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, MethodType):
        function = function.__func__
    code = getattr(function, "__code__", None)
    kind = _KINDS.get(code.co_flags & LAZY) if isinstance(code, CodeType) else None
    if kind is not None:
        name = getattr(function, "__qualname__", repr(target))
        raise TypeError(f"{use} {name}: it is {kind}, and a call runs none of its code; {instead}")
