"""A call of any Python function as bytes: made by an Executor, executed by the one callable that it registers.

The bytes: ``u32 head``, the pickled function (the low 30 bits of the head are its length), the pickled arguments.
A *named* function is one that can be found in its module by its qualified name. It is pickled once, at its first
call, and unpickled once in each child. Any other callable (a lambda, a bound method, a partial) is pickled with every
call.
"""

from __future__ import annotations

import io
import pickle
import sys
import uuid
import weakref
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

import cloudpickle

from runtime import errors
from runtime.child_side import sub_worker
from runtime.pickles import main_script, pickling
from runtime.pickles.outcomes import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime._core import FrameArgs

_NAMED = 1 << 31  # a named function: the child keeps the unpickled function, with its bytes as the key
_CHUNK = 1 << 30  # many calls: a list of positional arguments; the value is the list of the calls' values
_LENGTH = _CHUNK - 1
_HEAD = 4
_MOST_FUNCTIONS = 4096


class CallPickler:
    """The parent's side: one for each Executor, used by any thread."""

    def __init__(self) -> None:
        # The pickle of each named function, and whether the child can only load it by importing the main script.
        self._named: weakref.WeakKeyDictionary[object, tuple[bytes, bool]] = weakref.WeakKeyDictionary()

    def pack(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, bytes]:
        """The call's bytes, and those of its function alone.

        Raises: as pickling.dumps.
        """
        return self._pack(function, (args, kwargs), 0)

    def pack_chunk(self, function: Callable[..., Any], calls: tuple[tuple[Any, ...], ...]) -> tuple[bytes, bytes]:
        """The bytes of several calls without keyword arguments, whose value is the list of the calls' values."""
        return self._pack(function, calls, _CHUNK)

    def _pack(self, function: Callable[..., Any], arguments: object, flags: int) -> tuple[bytes, bytes]:
        named = self._pickle_named(function)
        if named is None:
            # One pickler for both: objects that function and arguments share stay shared.
            pickled, length = pickling.dumps_together(function, arguments)
            return _head(length, flags) + pickled, pickled[:length]
        # A child that imports the main script for the function takes the arguments' classes from the script, too.
        pickled, by_name = named
        return b"".join((_head(len(pickled), flags | _NAMED), pickled, _pickle(arguments, by_name))), pickled

    def _pickle_named(self, function: Callable[..., Any]) -> tuple[bytes, bool] | None:
        if type(function) not in (FunctionType, BuiltinFunctionType, type):
            return None
        named = self._named.get(function)
        if named is None and _is_named(function):
            pickled = pickling.dumps(function)
            named = self._named[function] = pickled, pickled == pickling.by_name(function)
        return named


def _head(length: int, flags: int) -> bytes:
    if length > _LENGTH:
        raise ValueError(f"a pickled function of {length} bytes: 1 GiB at most; pass large data as arguments instead")
    return (length | flags).to_bytes(_HEAD, "little")


def _is_named(function: Any) -> bool:
    value: Any = sys.modules.get(function.__module__ or "")
    for part in function.__qualname__.split("."):
        value = getattr(value, part, None)
    return value is function


def _pickle(value: object, by_name: bool) -> bytes:
    """Pickles with the standard library if that suffices; objects that a child cannot import are pickled by value."""
    if not cloudpickle.list_registry_pickle_by_value():
        try:
            pickled = pickle.dumps(value, pickling.PROTOCOL)
        except Exception:  # cloudpickle may succeed; if not, it raises the same error
            pass
        else:
            if not pickling.misses_something(pickled, by_name):
                return pickled
    return pickling.dumps(value, once=True)


class Calls:
    """The child's side: the callable that executes pickled calls, after an initializer that it runs once per process.

    Args:
        initializer: called before the first call in each process, or None.
        initargs: its arguments.
        most_calls: the number of calls after which a process is replaced; None: never.
        token: distinguishes Executors with equal arguments, because each initializes the processes and counts its
            calls separately. None: made here.
    """

    def __init__(
        self,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        most_calls: int | None,
        token: str | None = None,
    ) -> None:
        alike = initializer is None and most_calls is None
        self._initializer = initializer
        self._initargs = initargs
        self._most_calls = most_calls
        self._token = token if token is not None else "" if alike else uuid.uuid4().hex
        self._calls = 0
        self._ready = initializer is None
        if initializer is not None:
            name = getattr(initializer, "__qualname__", type(initializer).__name__)
            self.__qualname__ = f"initializer {name}"  # the label in errors of its registration
        self._named: dict[bytes, Callable[..., Any]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the arguments of the constructor, not the state."""
        return Calls, (self._initializer, self._initargs, self._most_calls, self._token)

    def __call__(self, args: FrameArgs) -> Any:
        """Executes the call in the opaque bytes of ``args``."""
        self._calls += 1
        if self._calls == self._most_calls:
            sub_worker.retire()
        if not self._ready:
            self._initialize()
        call = args.opaque
        head = int.from_bytes(call[:_HEAD], "little")
        end = _HEAD + (head & _LENGTH)
        if head & _NAMED:
            function = self._function(bytes(call[_HEAD:end]))
            arguments = pickle.loads(call[end:])
        else:
            unpickler = pickle.Unpickler(io.BytesIO(call[_HEAD:]))
            function = unpickler.load()
            main_script.remember(function)
            arguments = unpickler.load()
        if head & _CHUNK:
            return [function(*positional) for positional in arguments]
        positional, named = arguments
        return function(*positional, **named)

    def _function(self, pickled: bytes) -> Callable[..., Any]:
        function = self._named.get(pickled)
        if function is None:
            if len(self._named) >= _MOST_FUNCTIONS:
                self._named.clear()
            function = self._named[pickled] = pickle.loads(pickled)
            main_script.remember(function)
        return function

    def _initialize(self) -> None:
        assert self._initializer is not None
        try:
            self._initializer(*self._initargs)
        except Exception as error:
            raise errors.InitializerError(
                f"the initializer failed: {type(error).__name__}: {text_of(error)}; the call was not executed",
                operation="run",
            ) from error
        self._ready = True
