"""A Python sub-worker: executes registered Python callables on arrays that are views of shared memory."""

from __future__ import annotations

import importlib
import pickle
import sys
from typing import TYPE_CHECKING, Any

from runtime import _core, identity
from runtime.errors import CallringError
from runtime.failure import pack_exception, pack_value
from runtime.serialize import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Callable

_CODES: dict[str, int] = _core.CODES
_KIND_SERIALIZED = 2
_KIND_SOURCE = 4


def main(control: int) -> int:
    """Serves the parent behind ``control`` until it says shutdown; returns the exit status."""
    table: CallableTable | None = None

    def make_table(capacity: int) -> CallableTable:
        nonlocal table
        table = CallableTable(capacity)
        return table

    try:
        host = _core.SubWorkerHost(control, make_table)
    except _core.NativeError:
        return 1  # the parent was told why, or is gone
    assert table is not None
    ok, failed, absent = _CODES["ok"], _CODES["python_exception"], _CODES["not_installed"]
    while (task := host.next()) is not None:
        digest, args = task
        function = table.resolve(digest)
        if function is None:
            host.complete(absent, b"its digest is not installed in this child")
            continue
        try:
            code, payload = ok, pack_value(function(args))
        except BaseException as error:  # SystemExit and KeyboardInterrupt are failures of the task, too
            code, payload = failed, pack_exception(_without_own_frame(error))
        host.complete(code, payload)
        del task, args, function
    return 0


def _without_own_frame(error: BaseException) -> BaseException:
    traceback = error.__traceback__
    return error.with_traceback(traceback.tb_next) if traceback and traceback.tb_next else error


class CallableTable:
    """The callables that this child has installed: digest to slot, slot to callable and number of registrations.

    Called from the control thread (install, remove) and the main thread (resolve), under the interpreter's lock.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._slot_of: dict[bytes, int] = {}
        self._functions: list[Callable[[Any], Any] | None] = []
        self._registrations: list[int] = []
        self._free: list[int] = []

    def resolve(self, digest: bytes) -> Callable[[Any], Any] | None:
        """The callable behind a digest, or None."""
        slot = self._slot_of.get(digest)
        return None if slot is None else self._functions[slot]

    def install(self, kind: int, digest: bytes, payload: bytes) -> tuple[int, str]:
        """Re-derives the descriptor, compares, prepares, installs; returns (code, message)."""
        try:
            described, load = _describe(kind, payload)
        except _RefusedError as refused:
            return refused.code, str(refused)
        if identity.hashid_to_digest(identity.compute_callable_hashid(described)) != digest:
            return _CODES["hashid_descriptor_mismatch"], "the received bytes do not hash to the requested digest"
        slot = self._slot_of.get(digest)
        if slot is not None:
            self._registrations[slot] += 1
            return _CODES["ok"], ""
        if len(self._slot_of) >= self._capacity:
            return _CODES["slot_exhausted"], f"all {self._capacity} slots are taken"
        try:
            function = load()
        except BaseException as error:
            return _CODES["prepare_failed"], f"{type(error).__name__}: {error}"
        slot = self._free.pop() if self._free else len(self._functions)
        if slot == len(self._functions):
            self._functions.append(None)
            self._registrations.append(0)
        self._functions[slot] = function
        self._registrations[slot] = 1
        self._slot_of[digest] = slot  # last: from here on the main thread can see it
        return _CODES["ok"], ""

    def remove(self, digest: bytes) -> tuple[int, str]:
        """Releases one registration; the last one frees the slot."""
        slot = self._slot_of.get(digest)
        if slot is None:
            return _CODES["not_installed"], "not installed here"
        self._registrations[slot] -= 1
        if self._registrations[slot] == 0:
            del self._slot_of[digest]
            self._functions[slot] = None
            self._free.append(slot)
        return _CODES["ok"], ""


class _RefusedError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = _CODES[code]


def _describe(kind: int, payload: bytes) -> tuple[bytes, Callable[[], Callable[[Any], Any]]]:
    """The descriptor of what was received, and how to prepare it."""
    if kind == _KIND_SERIALIZED:
        pickled = _open_envelope(payload)
        return identity.build_python_serialized_descriptor(pickled), lambda: pickle.loads(pickled)
    if kind == _KIND_SOURCE:
        target = payload.decode()
        try:
            return identity.build_python_source_descriptor(target), lambda: _import(target)
        except (CallringError, ImportError, ValueError, OSError) as error:
            raise _RefusedError("prepare_failed", f"{type(error).__name__}: {error}") from None
    raise _RefusedError("kind_unsupported", f"a Python sub-worker cannot run callables of kind {kind}")


def _open_envelope(envelope: bytes) -> bytes:
    """The serializer's bytes. Every field is checked before anything is unpickled (identity.md)."""
    if len(envelope) < ENVELOPE.size:
        raise _RefusedError("malformed", "serialized payload is shorter than its envelope")
    magic, version, serializer, flags, size = ENVELOPE.unpack_from(envelope)
    if (magic, version, serializer, flags) != (b"SPYC", 1, 1, 0):
        raise _RefusedError("malformed", "serialized payload has an unknown envelope")
    if len(envelope) != ENVELOPE.size + size:
        raise _RefusedError("malformed", "serialized payload contradicts the size in its envelope")
    return envelope[ENVELOPE.size :]


def _import(target: str) -> Callable[[Any], Any]:
    module_name, _, qualname = target.partition(":")
    value: Any = sys.modules.get(module_name) or importlib.import_module(module_name)
    for part in qualname.split("."):
        value = getattr(value, part)
    if not callable(value):
        raise TypeError(f"{target} is not callable")
    return value  # type: ignore[no-any-return]
