"""How values of the parent become bytes that a child can load: by value if possible, as cloudpickle does.

Two kinds of objects cannot be pickled by value. Some objects of the main script (the result of ``functools.lru_cache``,
a function that uses a lock of its module) are pickled by name, and the child imports the script (main_script.py).
Objects that ``multiprocessing`` shares are pickled as for a child of its start method ``spawn``: semaphores by name,
pipes and memory as descriptors that the child fetches from this process, which must keep them open until then.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pickle
import stat
import sys
from collections import ChainMap
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar

import cloudpickle

from runtime.pickles import main_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROTOCOL = 5


class NotShareable(TypeError):  # noqa: N818 - names the property of the value
    """An object of multiprocessing that cannot be sent to a worker."""


def dumps(value: object, *, once: bool = False) -> bytes:
    """Pickles one value.

    Args:
        once: the pickle is loaded only once; it may then hold sockets, and duplex connections, too.

    Raises:
        NotShareable: the value holds an object of multiprocessing that cannot be sent to a worker.
        Also every error of cloudpickle.
    """
    return _dumps(lambda: (bytes(cloudpickle.dumps(value, PROTOCOL)), 0), (value,), once)[0]


def dumps_together(first: object, second: object) -> tuple[bytes, int]:
    """Pickles two values that are loaded once, one after the other. Objects that both hold stay shared.

    Returns:
        Both pickles, and the length of the first. Raises: as dumps().
    """
    values = (first, second)
    return _dumps(lambda: _pickled(values, _Pickler), values, once=True)


def _dumps(by_value: Callable[[], tuple[bytes, int]], values: tuple[object, ...], once: bool) -> tuple[bytes, int]:
    try:
        pickled = by_value()
        if not _has_connection(pickled[0]):
            return pickled
    except Exception:
        with _shared(once):
            try:
                return _pickled(values, _SharingPickler)
            except NotShareable:
                raise
            except Exception:  # the standard library cannot pickle it
                with contextlib.suppress(Exception):
                    return _pickled(values, _NamingPickler)
        raise
    with _shared(once):
        return _pickled(values, _SharingPickler)


def _pickled(values: tuple[object, ...], kind: type[_Pickler]) -> tuple[bytes, int]:
    buffer = io.BytesIO()
    pickler = kind(buffer, PROTOCOL)
    lengths = []
    for value in values:
        pickler.dump(value)
        lengths.append(buffer.tell())
    return buffer.getvalue(), lengths[0]


def _reduce_method(method: MethodType) -> tuple[Any, ...]:
    name = method.__func__.__name__
    if getattr(method.__self__, name, None) == method:
        return getattr, (method.__self__, name)
    return MethodType, (method.__func__, method.__self__)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles a bound method as the attribute of its object, if the object has it, as the standard library does.

    cloudpickle pickles the function of a class method by value; the copy loses the file that tracebacks name.
    """

    dispatch_table: ClassVar = ChainMap({MethodType: _reduce_method}, cloudpickle.Pickler.dispatch_table)


_NOT_SHARED = ("builtins", "functools")
"""Modules whose types have reducers in multiprocessing that are not used here."""


class _SharingPickler(_Pickler):
    """Pickles objects that multiprocessing shares, with multiprocessing's own reducers."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        reduction = sys.modules.get("multiprocessing.reduction")
        known = reduction.ForkingPickler._extra_reducers if reduction else {}
        self._reducers = {kind: reduce for kind, reduce in known.items() if kind.__module__ not in _NOT_SHARED}
        synchronize = sys.modules.get("multiprocessing.synchronize")
        self._semaphores = (synchronize.SemLock,) if synchronize else ()

    def reducer_override(self, obj: Any) -> Any:
        """The reduction of a shared object; for any other object, that of cloudpickle."""
        if isinstance(obj, self._semaphores) and obj._semlock.name is None:
            raise NotShareable(
                f"a multiprocessing {type(obj).__name__} of the start method 'fork' has no name by which a worker "
                "could find it: make it with multiprocessing.get_context('spawn'), or with a manager"
            )
        reduce = self._reducers.get(type(obj))
        return super().reducer_override(obj) if reduce is None else reduce(obj)


class _NamingPickler(_SharingPickler):
    """Pickles functions and classes of the main script by name."""

    def reducer_override(self, obj: Any) -> Any:
        """The qualified name of an object that the main script defines under this name."""
        if isinstance(obj, FunctionType | type) and main_script.is_named(obj):
            return obj.__qualname__
        return super().reducer_override(obj)


def _has_connection(pickled: bytes) -> bool:
    """Whether a connection was pickled without a reducer, as the bare number of its descriptor."""
    name = "multiprocessing.connection"
    return name in sys.modules and name.encode() in pickled


def by_name(function: Any) -> bytes | None:
    """The pickle, by name, of a function of the main script; None if the script does not have it under its name."""
    return pickle.dumps(function, PROTOCOL) if main_script.is_named(function) else None


def misses_something(pickled: bytes, main_is_imported: bool) -> bool:
    """Whether a child could not load this pickle of the standard library, or would load something else.

    Args:
        main_is_imported: the child imports the main script anyway.
    """
    return (b"__main__" in pickled and not main_is_imported) or _has_connection(pickled)


# ---- descriptors -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _shared(once: bool) -> Iterator[None]:
    """Lets multiprocessing pickle on this thread as for a child that it starts, for the duration of the block."""
    context = sys.modules.get("multiprocessing.context")
    if context is None:
        yield
        return
    before = context.get_spawning_popen()
    context.set_spawning_popen(_Child(once))
    try:
        yield
    finally:
        context.set_spawning_popen(before)


class _Child:
    """Stands for the child process. Multiprocessing's reducers call it to pass a descriptor to the child."""

    def __init__(self, once: bool) -> None:
        self._once = once

    def duplicate_for_child(self, descriptor: int) -> int:
        return descriptor

    def DupFd(self, descriptor: int) -> Any:  # noqa: N802 - the name that multiprocessing calls
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return SharedDescriptor(descriptor)
        if not self._once:
            raise NotShareable(
                "a socket, or a duplex multiprocessing Connection, can be given to one call, not to every worker: give "
                "it as an argument of a call, or make the pipe with Pipe(duplex=False)"
            )
        from multiprocessing import resource_sharer

        return resource_sharer.DupFd(descriptor)


_CLOSED = "the process of the Worker has closed the descriptor that it shared with this process"


class SharedDescriptor:
    """A descriptor of this process that another process can fetch."""

    def __init__(self, descriptor: int) -> None:
        info = os.fstat(descriptor)
        self._path = f"/proc/{os.getpid()}/fd/{descriptor}"
        self._file = info.st_dev, info.st_ino
        self._mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE

    def detach(self) -> int:
        """Called in the other process: fetches a copy of the descriptor. Raises ConnectionError if it was closed."""
        try:
            taken = os.open(self._path, self._mode | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ConnectionError(f"{_CLOSED}: {error}") from error
        info = os.fstat(taken)
        if (info.st_dev, info.st_ino) != self._file:
            os.close(taken)
            raise ConnectionError(_CLOSED)
        os.set_blocking(taken, True)
        return taken
