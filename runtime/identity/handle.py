"""CallableHandle: the opaque token that register() returns."""

from __future__ import annotations

import re
import threading
from enum import StrEnum

from runtime import pickled_names
from runtime.errors import HashidFormatError, KindUnsupportedError


class CallableKind(StrEnum):
    """The kind of a callable; decides what its descriptor covers."""

    CHIP_CALLABLE = "CHIP_CALLABLE"
    PYTHON_SERIALIZED = "PYTHON_SERIALIZED"
    PYTHON_SOURCE = "PYTHON_SOURCE"


class TargetNamespace(StrEnum):
    """Which kind of child can execute a callable."""

    LOCAL_CHIP = "LOCAL_CHIP"
    LOCAL_PYTHON = "LOCAL_PYTHON"


_NAMESPACE_OF = {
    CallableKind.CHIP_CALLABLE: TargetNamespace.LOCAL_CHIP,
    CallableKind.PYTHON_SERIALIZED: TargetNamespace.LOCAL_PYTHON,
    CallableKind.PYTHON_SOURCE: TargetNamespace.LOCAL_PYTHON,
}
_HASHID = re.compile(r"sha256:[0-9a-f]{64}\Z")


def validate_hashid(hashid: str) -> str:
    """Returns ``hashid`` if it is valid. Raises HashidFormatError otherwise."""
    if not isinstance(hashid, str) or not _HASHID.match(hashid):
        raise HashidFormatError(f"{hashid!r} is not a hashid: 'sha256:' and 64 lowercase hexadecimal digits")
    return hashid


class CallableHandle:
    """Names a registered callable. Immutable, hashable, picklable.

    A handle that is built from its public fields names an identity but is *unbound*: no Worker made it, and every API
    rejects it. A handle that was pickled is accepted by the Workers nested below the Worker that made it (docs:
    callable identity); everywhere else it is unbound. Its pickle is the same in every process, so that a function that
    captures handles has the same hashid in every run. Handles are equal if they come from one registration. ``copy``
    returns the handle itself.

    Args:
        hashid: the callable's name.
        kind: a CallableKind or its name.
        target_namespace: a TargetNamespace or its name.

    Raises:
        HashidFormatError: not a hashid.
        KindUnsupportedError: unknown kind or namespace, or a kind that does not belong to the namespace.
    """

    __slots__ = ("_label", "_token", "_travelled", "hashid", "kind", "target_namespace")

    hashid: str
    kind: CallableKind
    target_namespace: TargetNamespace
    _label: str
    _token: object | None
    _travelled: bool
    """Whether it was unpickled from a handle that a registration returned."""

    def __init__(self, hashid: str, kind: CallableKind | str, target_namespace: TargetNamespace | str) -> None:
        validate_hashid(hashid)
        try:
            kind, namespace = CallableKind(kind), TargetNamespace(target_namespace)
        except ValueError as error:
            raise KindUnsupportedError(f"{error}", hashid=hashid) from None
        if _NAMESPACE_OF[kind] is not namespace:
            raise KindUnsupportedError(
                f"kind {kind} belongs to {_NAMESPACE_OF[kind]}, not to {namespace}", hashid=hashid, namespace=namespace
            )
        for name, value in (
            ("hashid", hashid),
            ("kind", kind),
            ("target_namespace", namespace),
            ("_label", ""),
            ("_token", None),
            ("_travelled", False),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def _bound(
        cls,
        hashid: str,
        kind: CallableKind,
        namespace: TargetNamespace,
        *,
        token: object,
        label: str,
    ) -> CallableHandle:
        """A handle of the registration that ``token`` stands for. Only the registry that owns the token calls this."""
        handle = cls(hashid, kind, namespace)
        object.__setattr__(handle, "_token", token)
        object.__setattr__(handle, "_label", label)
        return handle

    def __setattr__(self, name: str, value: object) -> None:
        """Handles are immutable."""
        raise AttributeError(f"a CallableHandle is immutable: cannot set {name}")

    def __delattr__(self, name: str) -> None:
        """Handles are immutable."""
        raise AttributeError(f"a CallableHandle is immutable: cannot delete {name}")

    def __eq__(self, other: object) -> bool:
        """Same identity and same registration."""
        if not isinstance(other, CallableHandle):
            return NotImplemented
        return self.hashid == other.hashid and self.kind is other.kind and self._token is other._token

    def __hash__(self) -> int:
        """The hash of the hashid: equal handles have equal hashids."""
        return hash(self.hashid)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles the identity, and whether nested Workers accept it. The registration stays in this process."""
        owner = _pickling.owner
        usable = self._token is not None or self._travelled
        if owner is not None:
            usable = getattr(self._token, "owner", None) is owner
        return _arrived, (self.hashid, self.kind, self.target_namespace, self._label, usable)

    def __copy__(self) -> CallableHandle:
        """Returns the handle itself: a copy would stand for the same registration."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> CallableHandle:
        """Returns the handle itself: a copy would stand for the same registration."""
        return self

    def __repr__(self) -> str:
        """``<CallableHandle chip vector_add 588d5ab9>``."""
        words = ["chip" if self.target_namespace is TargetNamespace.LOCAL_CHIP else "python", self._label]
        return f"<CallableHandle {' '.join(word for word in words if word)} {self.hashid[7:15]}>"


def expected_handle(hashid: str, kind: CallableKind, namespace: TargetNamespace, label: str) -> CallableHandle:
    """An unbound handle with the same pickle as the handle that ``register`` will return for this callable.

    With it, a function that captures handles can be pickled, and its hashid computed, before any Worker runs.
    """
    return _arrived(hashid, kind, namespace, label, usable=True)


def _arrived(hashid: str, kind: CallableKind, namespace: TargetNamespace, label: str, usable: bool) -> CallableHandle:
    handle = CallableHandle._bound(hashid, kind, namespace, token=None, label=label)
    object.__setattr__(handle, "_travelled", usable)
    return handle


class _Pickling(threading.local):
    owner: object | None = None


_pickling = _Pickling()


class PickledFor:
    """Marks that this thread pickles a callable which the registry ``owner`` registers. Nested Workers accept only
    those captured handles that belong to this registry.
    """

    __slots__ = ("_before", "_owner")

    def __init__(self, owner: object) -> None:
        self._owner = owner

    def __enter__(self) -> None:
        self._before: object | None = _pickling.owner
        _pickling.owner = self._owner

    def __exit__(self, *raised: object) -> None:
        _pickling.owner = self._before


pickled_names.keep(__name__)
