"""Registry: which callables a Worker knows, under which hashid, and who holds a handle to them.

Registration is whole-scope: a handle exists only if every live child of its namespace has installed the callable.
Equal callables share one identity; each handle has a lifetime of its own (identity.md, registration). The lock is
never held while a child is asked.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime import _core
from runtime.errors import (
    CleanupUncertainError,
    ControlTimeout,
    DescriptorMismatchError,
    HandleForeignError,
    HandleStaleError,
    NamespaceMismatchError,
    PartialFailureError,
    RegisterTombstoneError,
    UnregisterTombstoneError,
)
from runtime.identity import CallableHandle, TargetNamespace, hashid_to_digest
from runtime.native_errors import code_name
from runtime.serialize import KIND_NUMBERS, Serialized, serialize

if TYPE_CHECKING:
    from collections.abc import Callable

_RUNS_ON = {TargetNamespace.LOCAL_CHIP: "chip", TargetNamespace.LOCAL_PYTHON: "sub"}
_OK = _core.CODES["ok"]
_TIMEOUT = _core.CODES["timeout"]


class _Token:
    """Ties a handle to the registration that made it; private to this process."""

    __slots__ = ("entry", "live", "owner")

    def __init__(self, owner: Registry, entry: _Entry) -> None:
        self.owner = owner
        self.entry = entry
        self.live = True


@dataclass(eq=False)
class _Entry:
    """One identity: its bytes, and how many handles refer to it."""

    serialized: Serialized
    native: _core.CallableRef
    payload: _core.Payload
    handles: int = 0
    removing: bool = False
    uncertain: set[tuple[str, int]] = field(default_factory=set)


class Registry:
    """The callables of one Worker.

    Args:
        engine: installs them in children.
        platform, runtime: context of chip callables' descriptors.
    """

    def __init__(self, engine: _core.Engine, *, platform: str, runtime: str) -> None:
        self._engine = engine
        self._platform = platform
        self._runtime = runtime
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._started = False

    # ---- registering -----------------------------------------------------------------------------------------------

    def register(self, target: object, can_run: Callable[[str], None]) -> CallableHandle:
        """Registers ``target``; see Worker.register. ``can_run`` refuses what no child could ever run."""
        serialized = serialize(target, platform=self._platform, runtime=self._runtime)
        can_run(_RUNS_ON[serialized.namespace])
        with self._lock:
            entry = self._entry_for(serialized)
            entry.handles += 1  # counted before the children are asked, so that nobody removes it meanwhile
            started = self._started
        if started:
            try:
                self._install(entry)
            except BaseException:
                with self._lock:
                    self._drop_handle(entry)
                raise
        return CallableHandle._bound(
            serialized.hashid, serialized.kind, serialized.namespace, _Token(self, entry), serialized.label
        )

    def _entry_for(self, serialized: Serialized) -> _Entry:
        """The live entry of an identity, made if there is none. Under the lock."""
        hashid = serialized.hashid
        entry = self._entries.get(hashid)
        if entry is not None and entry.removing:
            if not self._engine.is_removed(entry.native):
                raise RegisterTombstoneError(
                    f"callable {serialized.label} is being removed: tasks that use it have not ended yet; "
                    "register it again after they have",
                    hashid=hashid,
                    namespace=serialized.namespace,
                    operation="register",
                )
            entry = None
        if entry is None:
            entry = _Entry(
                serialized,
                _core.CallableRef(
                    hashid_to_digest(hashid), KIND_NUMBERS[serialized.kind], _RUNS_ON[serialized.namespace]
                ),
                _core.Payload(serialized.payload),
            )
            self._entries[hashid] = entry
        elif entry.serialized.descriptor != serialized.descriptor:
            raise DescriptorMismatchError(
                f"callable {serialized.label} has the hashid of another descriptor", hashid=hashid, operation="register"
            )
        if entry.uncertain:
            raise CleanupUncertainError(
                f"callable {serialized.label} may still be half installed in "
                + ", ".join(f"{kind} {number}" for kind, number in sorted(entry.uncertain)),
                hashid=hashid,
                namespace=serialized.namespace,
                operation="register",
            )
        return entry

    def _drop_handle(self, entry: _Entry) -> None:
        """Forgets one handle, and the entry with the last one. Under the lock."""
        entry.handles -= 1
        hashid = entry.serialized.hashid
        if entry.handles == 0 and not entry.uncertain and self._entries.get(hashid) is entry:
            del self._entries[hashid]

    def _install(self, entry: _Entry) -> None:
        results = self._engine.register_callable(entry.native, entry.payload)
        failed = [result for result in results if result[2] != _OK]
        if not failed:
            return
        # Undo where it was installed or may have been: an answer that did not come in time is no refusal.
        undo = [(kind, number) for kind, number, code, _ in results if code in (_OK, _TIMEOUT)]
        if undo:
            for kind, number, code, _ in self._engine.unregister_callable(entry.native, undo):
                if code == _TIMEOUT:
                    entry.uncertain.add((kind, number))
        raise PartialFailureError(
            f"callable {entry.serialized.label} was not registered: "
            + "; ".join(f"{_child(kind, number)}: {code_name(code)}: {why}" for kind, number, code, why in failed),
            hashid=entry.serialized.hashid,
            namespace=entry.serialized.namespace,
            operation="register",
            results={
                _child(kind, number): "ok" if code == _OK else f"{code_name(code)}: {why}"
                for kind, number, code, why in results
            },
        )

    def install_all(self) -> None:
        """Installs what was registered before the children were started; called once, when they are ready."""
        with self._lock:
            waiting = [(entry, entry.handles) for entry in self._entries.values()]
            self._started = True
        for entry, handles in waiting:
            for _ in range(handles):
                self._install(entry)

    # ---- unregistering ---------------------------------------------------------------------------------------------

    def unregister(self, handle: CallableHandle) -> None:
        """Releases ``handle``; see Worker.unregister."""
        with self._lock:
            entry = self._check(handle, "unregister")
            token = handle._token
            assert isinstance(token, _Token)
            if entry.removing:
                raise UnregisterTombstoneError(
                    f"callable {entry.serialized.label} is being removed already",
                    hashid=handle.hashid,
                    namespace=handle.target_namespace,
                    operation="unregister",
                )
            token.live = False
            last = entry.handles == 1
            entry.removing = last
            entry.handles -= 1
            started = self._started
        if not started:
            with self._lock:
                if last:
                    del self._entries[handle.hashid]
            return
        if last and not self._engine.retire(entry.native):
            return  # tasks that use it are in flight; the engine removes it when the last of them has ended
        results = self._engine.unregister_callable(entry.native)
        late = [(kind, number) for kind, number, code, _ in results if code == _TIMEOUT]
        with self._lock:
            entry.uncertain.update(late)
            if last:
                entry.removing = False
                if not entry.uncertain:
                    del self._entries[handle.hashid]
        if late:
            raise ControlTimeout(
                f"callable {entry.serialized.label}: no answer from "
                + ", ".join(_child(kind, number) for kind, number in late),
                hashid=handle.hashid,
                namespace=handle.target_namespace,
                operation="unregister",
            )

    # ---- resolving -------------------------------------------------------------------------------------------------

    def resolve(self, handle: CallableHandle, namespace: TargetNamespace, operation: str) -> _core.CallableRef:
        """The native callable behind ``handle``; checked in the order of identity.md."""
        token = getattr(handle, "_token", None)
        if type(token) is _Token and token.owner is self and token.live:
            entry = token.entry
            if entry.serialized.namespace is namespace and not entry.uncertain:
                return entry.native
        entry = self._check(handle, operation)
        raise NamespaceMismatchError(
            f"{operation} takes callables of {namespace}; {entry.serialized.label} is of {entry.serialized.namespace}",
            hashid=handle.hashid,
            namespace=handle.target_namespace,
            operation=operation,
        )

    def _check(self, handle: object, operation: str) -> _Entry:
        """Type, owner, liveness, uncertainty, integrity, in this order."""
        if not isinstance(handle, CallableHandle):
            raise TypeError(
                f"{operation} takes the handle of a registered callable, not a {type(handle).__name__}; "
                "register it first: handle = worker.register(...)"
            )
        fields = {"hashid": handle.hashid, "namespace": handle.target_namespace, "operation": operation}
        token = handle._token
        if not isinstance(token, _Token) or token.owner is not self:
            raise HandleForeignError(
                f"{operation}: {handle!r} was not made by this Worker; register the callable with this one", **fields
            )
        if not token.live:
            raise HandleStaleError(f"{operation}: {handle!r} was unregistered; register the callable again", **fields)
        entry = token.entry
        if entry.uncertain:
            raise CleanupUncertainError(f"{operation}: {handle!r} may be half installed in a child", **fields)
        if entry.serialized.hashid != handle.hashid:
            raise HandleForeignError(f"{operation}: {handle!r} names other bytes than were registered", **fields)
        return entry

    def name_of(self, digest: bytes) -> tuple[str, str]:
        """Label and hashid of a digest that was registered at some time."""
        hashid = f"sha256:{digest.hex()}"
        entry = self._entries.get(hashid)
        return (entry.serialized.label if entry else hashid[7:15], hashid)


def _child(kind: str, number: int) -> str:
    return f"chip {number}" if kind == "chip" else f"sub-worker {number}"
