"""How the outcome of a task travels to the parent: the value that it returned, or the exception that it raised."""

from __future__ import annotations

import copyreg
import pickle
import struct
from typing import Any, NoReturn

from runtime import _core
from runtime.pickles import main_script

_LENGTH = struct.Struct("<I")
"""The length before each part of a packed exception. The engine counts the parts (native/schedule/outcome.cpp)."""


def _refuse_arguments(_: _core.FrameArgs) -> NoReturn:
    raise TypeError("cannot pickle the arguments of a task: they end with it; return arrays, such as args[0]")


copyreg.pickle(_core.FrameArgs, _refuse_arguments)


class RemoteTraceback(Exception):  # noqa: N818 - named as in multiprocessing and concurrent.futures
    """The traceback of an exception in a child, as text; the cause of the exception in the parent."""

    @property
    def tb(self) -> str:
        """The text, under the name that concurrent.futures uses."""
        return str(self.args[0])

    def __str__(self) -> str:
        """The text, on lines of its own."""
        return f"\n{self.tb}"


def pickle_value(value: object) -> bytes | tuple[bytes, list[memoryview]]:
    """Pickles the value of a Python callable. Pickling classes and functions by reference, where possible, is twenty
    times faster than by value.

    Returns:
        The pickle; or the pickle and its out-of-band buffers (mostly of arrays), which travel to the parent unchanged:
        at most ``MOST_BUFFERS``, each of at least ``LEAST_EXTENT`` bytes.
    """
    apart: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        """Whether the buffer goes into the pickle."""
        try:
            view = buffer.raw()
        except BufferError:  # the buffer is not contiguous
            return True
        if view.nbytes < _core.LEAST_EXTENT or len(apart) == _core.MOST_BUFFERS:
            return True
        apart.append(view)
        return False

    main_script.results.are_pickled = True
    try:
        pickled = pickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffer_callback=keep)
    except Exception:  # a lambda, a class made in the task: pickle raises many types of errors
        import cloudpickle  # imported here to keep the parent's start fast; children have it

        apart.clear()
        pickled = bytes(cloudpickle.dumps(value, buffer_callback=keep))
    finally:
        main_script.results.are_pickled = False
    return (pickled, apart) if apart else pickled


def pack_exception(error: BaseException) -> bytes:
    """Encodes an exception with its traceback. If the exception cannot be pickled, only its type's name and its text
    are encoded.

    This succeeds even if the exception's own methods raise, because a task that fails must not end its worker.
    """
    pickled = _pickled(error) or _pickled(_Parts(error))
    texts = (type_name(type(error)), text_of(error), _traceback_of(error))
    parts = [pickled, *(text.encode("utf-8", "backslashreplace") for text in texts)]
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _pickled(error: object) -> bytes:
    """The pickle of an exception; empty if it cannot be pickled, or if unpickling returns no exception."""
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(error)
        return pickled if isinstance(pickle.loads(pickled), BaseException) else b""
    except BaseException:  # its methods may raise any exception, even SystemExit
        return b""


class _Parts:
    """Pickles an exception so that unpickling avoids its class's ``__init__`` and ``__setattr__``, which may raise."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        args = vars(BaseException)["args"].__get__(self._error)
        return _from_parts, (type(self._error), args, _ATTRIBUTES(self._error))


def _from_parts(kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    _ATTRIBUTES(error).update(attributes)
    return error


def unpack_exception(payload: bytes) -> BaseException:
    """The exception that pack_exception encoded, with the child's traceback as its cause."""
    parts = []
    while payload:
        (length,) = _LENGTH.unpack_from(payload)
        parts.append(payload[_LENGTH.size : _LENGTH.size + length])
        payload = payload[_LENGTH.size + length :]
    pickled = parts[0]
    name, message, text = (part.decode("utf-8", "replace") for part in parts[1:])
    error: object = None
    try:
        error = pickle.loads(pickled) if pickled else None
    except KeyboardInterrupt:
        raise  # the user interrupts the wait
    except BaseException:  # the child could unpickle it; this process cannot
        error = None
    if not isinstance(error, BaseException):
        error = RuntimeError(f"{name}: {message}")
    _SET_CAUSE(error, RemoteTraceback(text))
    return error


# These bypass the methods of the exception's class, which may raise, as those of a frozen dataclass do.
_SET_CAUSE = vars(BaseException)["__cause__"].__set__
_ATTRIBUTES = vars(BaseException)["__dict__"].__get__
_QUALNAME = vars(type)["__qualname__"].__get__


def add_note(error: BaseException, note: str) -> None:
    """Adds a note to an exception, even if its class refuses to set attributes."""
    attributes = _ATTRIBUTES(error)
    notes = attributes.get("__notes__", [])
    attributes["__notes__"] = [*(notes if isinstance(notes, list | tuple) else [notes]), note]


def type_name(kind: type) -> str:
    """The full name of a type, even if its class body or metaclass overrides the attributes."""
    name: str = _QUALNAME(kind)
    module = vars(kind).get("__module__")
    return f"{module}.{name}" if type(module) is str else name


def text_of(error: BaseException) -> str:
    """The text of an exception; if its own ``__str__`` fails, its arguments."""
    for read in (str, BaseException.__str__):
        try:
            return str.__str__(read(error))  # a plain str: read() may return a subclass
        except BaseException:  # also KeyboardInterrupt: in a child, no user interrupts
            continue
    return "(it has no text: its __str__ fails)"


def _traceback_of(error: BaseException) -> str:
    import traceback  # imported late: a program that starts needs no text of an exception

    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # formatting calls methods of the exception, its notes and its causes
        lines = "".join(traceback.format_tb(error.__traceback__))
        return f"Traceback (most recent call last):\n{lines}{type_name(type(error))}: {text_of(error)}\n"
