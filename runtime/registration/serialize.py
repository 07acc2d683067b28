"""The bytes that a child receives for each kind of callable, and the descriptor that names the callable.

A callable is serialised and hashed before any state changes: a callable that cannot be pickled changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from runtime import _core, identity, pickled_names
from runtime.errors.wording import kind_of
from runtime.identity import CallableKind, TargetNamespace
from runtime.pickles.outcomes import add_note
from runtime.registration.lazy_functions import refuse_lazy

_Function = TypeVar("_Function", bound=Callable[..., Any])
_MARK = "__callring_by_source__"
BY_SIGNATURE = "__callring_by_signature__"


class Serialized(NamedTuple):
    """A callable as bytes: its descriptor, and the payload that a child receives."""

    kind: CallableKind
    namespace: TargetNamespace
    descriptor: bytes
    payload: bytes
    label: str
    signature: tuple[identity.ArgDirection, ...] | None = None
    """The directions of a chip callable's arguments; None for a Python callable."""

    @property
    def hashid(self) -> str:
        """The name of the callable."""
        return identity.compute_callable_hashid(self.descriptor)


KIND_NUMBERS = {CallableKind.CHIP_CALLABLE: 1, CallableKind.PYTHON_SERIALIZED: 2, CallableKind.PYTHON_SOURCE: 4}


def by_source(function: _Function) -> _Function:
    """Marks a module-level function to be identified by its module's source (kind 4), not by its pickle (kind 2)."""
    setattr(function, _MARK, True)
    return function


def by_signature(function: _Function) -> _Function:
    """Marks a Python callable to be called as ``function(a, b, out, scale)`` instead of ``function(args)``.

    Parameters annotated with ``float``, ``int`` or ``bool`` take the task's scalars, in order, decoded to that type.
    The others take its tensors, in order, as arrays. When no tensor is left, a parameter without an annotation takes a
    scalar, as a signed integer: a scalar travels as 64 bits, so a parameter for a float must be annotated.

    Example:
        >>> @by_signature
        ... def axpy(x, y, out, scale: float):
        ...     out[...] = scale * x + y
    """
    setattr(function, BY_SIGNATURE, True)
    return function


def serialize(target: object, *, platform: str, runtime: str) -> Serialized:
    """Serialises and describes a target of ``Worker.register``.

    Args:
        target: a ChipCallable, a Python callable, or ``"module:qualname"``.
        platform, runtime: those of the Worker; part of a chip callable's identity.

    Raises:
        TypeError: not a callable of any kind; a coroutine function or a generator function.
        Also every error of pickling.dumps, with a note that names the callable.
    """
    refuse_lazy(target, "cannot register", "register a plain function, for instance one that calls asyncio.run")
    if isinstance(target, str) or getattr(target, _MARK, False):
        path = target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"  # type: ignore[attr-defined]
        return Serialized(
            CallableKind.PYTHON_SOURCE,
            TargetNamespace.LOCAL_PYTHON,
            identity.build_python_source_descriptor(path),
            path.encode(),
            path.partition(":")[2],
        )
    if callable(target):
        from runtime.pickles import pickling  # imported here to keep the start fast

        try:
            pickled = pickling.dumps(target)
        except Exception as error:
            add_note(error, f"while pickling the callable {_label(target)}")
            raise
        return serialized_pickle(pickled, target)
    from runtime.chips.chip_callable import ChipCallable  # a Worker without chips never needs it

    if not isinstance(target, ChipCallable):
        raise TypeError(
            f"cannot register {kind_of(target)}: give a ChipCallable, a Python callable or 'module:qualname'"
        )
    descriptor = identity.build_chip_callable_descriptor(
        blob=target.blob, signature=target.signature, platform=platform, runtime=runtime
    )
    return Serialized(
        CallableKind.CHIP_CALLABLE, TargetNamespace.LOCAL_CHIP, descriptor, target.blob, target.name, target.signature
    )


def serialized_pickle(pickled: bytes, target: object) -> Serialized:
    """Describes a callable by the bytes of its pickle."""
    return Serialized(
        CallableKind.PYTHON_SERIALIZED,
        TargetNamespace.LOCAL_PYTHON,
        identity.build_python_serialized_descriptor(pickled),
        _core.wrap_envelope(pickled),
        _label(target),
    )


def _label(target: object) -> str:
    name: str = getattr(target, "__qualname__", type(target).__name__)
    return name


pickled_names.keep(__name__)
