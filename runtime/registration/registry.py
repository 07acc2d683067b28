"""Registry: turns registered callables into bytes, and ties handles to the identities that the native core keeps.

A registration covers all children: a handle exists only if every live child of its target namespace has installed the
callable. Equal callables share one identity; each handle has its own lifetime (docs/explanation/identity.md). The
native registrar decides, under the engine's lock, which child has which callable installed and when it is removed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from runtime import _core
from runtime.errors import (
    CallringError,
    HandleForeignError,
    HandleStaleError,
    NamespaceMismatchError,
    PartialFailureError,
    UnregisterTombstoneError,
    WorkerClosed,
)
from runtime.errors.wording import kind_of
from runtime.failure import native_errors
from runtime.identity import ArgDirection, CallableHandle, TargetNamespace, hashid_to_digest
from runtime.identity.handle import PickledFor
from runtime.registration.refusals import being_removed, packed, refusal_words, refused, results_of, told
from runtime.registration.serialize import KIND_NUMBERS, Serialized, serialize

if TYPE_CHECKING:
    from collections.abc import Callable

_RUNS_ON = {TargetNamespace.LOCAL_CHIP: "chip", TargetNamespace.LOCAL_PYTHON: "sub"}
_OK = _core.CODES["ok"]
_CLOSED = _core.CODES["closed"]
_TIMEOUT = _core.CODES["timeout"]
_GIVEN_UP = _core.CODES["given_up"]
_PARTIAL = _core.CODES["partial_failure"]
_REMOVING = _core.CODES["removal_active"]
_ENDED = (_CLOSED, _TIMEOUT)
"""Codes of children that died, or that were killed because they did not answer. They refused nothing."""


class Registry:
    """The callables of one Worker.

    Args:
        engine: installs them in children.
        platform, runtime: context of chip callables' descriptors.
        nested: whether there are Workers above. This registry then inherits the callables that they register, and
            accepts the handles that travel in those callables.
    """

    def __init__(self, engine: _core.Engine, *, platform: str, runtime: str, nested: bool = False) -> None:
        self._engine = engine
        self._platform = platform
        self._runtime = runtime
        self._nested = nested
        self._inherited: dict[str, _core.Token] = {}  # by hashid
        self._used = False
        self._lock = threading.Lock()  # guards `live` of the tokens; never held during a request to a child

    # ---- registering -----------------------------------------------------------------------------------------------

    def register(self, target: object, can_run: Callable[[str], None], name: str | None = None) -> CallableHandle:
        """Registers ``target``; see Worker.register. ``can_run`` raises if no child could ever run the callable."""
        with PickledFor(self):
            serialized = serialize(target, platform=self._platform, runtime=self._runtime)
        if name is not None:
            serialized = serialized._replace(label=name)
        can_run(_RUNS_ON[serialized.namespace])
        self._used = True
        hashid = serialized.hashid
        try:
            native, outcome, results = self._install(serialized, hashid)
            if outcome == _GIVEN_UP:
                self._engine.unregister_callable(native)
        except native_errors() as error:
            raise refused(serialized, error) from None
        if outcome != _OK:
            raise self._failure(serialized, outcome, results)
        token = self._token(native, serialized, hashid)
        return CallableHandle._bound(
            token.hashid,  # the same str object: by `is`, resolve() notices a handle whose hashid was replaced
            serialized.kind,
            serialized.namespace,
            token=token,
            label=serialized.label,
        )

    def _token(self, native: _core.CallableRef, serialized: Serialized, hashid: str) -> _core.Token:
        """The token that ties a handle to this registration. It stays in this process."""
        token: _core.Token = _core.make_token(
            self, native, hashid, serialized.kind, serialized.namespace, serialized.label
        )
        return token

    def _install(
        self, serialized: Serialized, hashid: str
    ) -> tuple[_core.CallableRef, int, list[tuple[str, int, str, _core.ChildEnd | None]]]:
        """Returns the native callable, the outcome (a code) and, unless the outcome is ok, every target's answer."""
        return self._engine.register_callable(
            hashid_to_digest(hashid),
            KIND_NUMBERS[serialized.kind],
            _RUNS_ON[serialized.namespace],
            serialized.label,
            serialized.descriptor,
            serialized.payload,
            _counted(serialized.signature),
        )

    def require_runner(self, handle: CallableHandle, can_run: Callable[[str], None]) -> None:
        """Raises if no child could ever run the callable, unless the handle was released."""
        if isinstance(handle._token, _core.Token) and handle._token.live:
            can_run(_RUNS_ON[handle.target_namespace])

    @property
    def used(self) -> bool:
        """Whether a callable was ever registered here."""
        return self._used

    def inherit(self, serialized: Serialized) -> None:
        """Installs a callable of the Worker above in all children, once for all of its registrations above.

        Raises:
            NativeError: a child refused it; the Worker above receives the reason. Nothing stays installed.
        """
        hashid = serialized.hashid
        native, outcome, results = self._install(serialized, hashid)
        if outcome == _PARTIAL:
            raise native_errors()(_PARTIAL, packed(results_of(results)))
        # A child that was given up has refused nothing: a task that this Worker submits to it fails.
        self._inherited[hashid] = self._token(native, serialized, hashid)

    def disinherit(self, hashid: str) -> None:
        """Removes an inherited callable, after the end of the accepted tasks that use it. Raises NativeError if this
        Worker is closed.
        """
        token = self._inherited.pop(hashid)
        token.live = False
        self._engine.unregister_callable(token.native)

    def _failure(
        self, serialized: Serialized, outcome: int, results: list[tuple[str, int, str, _core.ChildEnd | None]]
    ) -> CallringError:
        fields = {"hashid": serialized.hashid, "namespace": serialized.namespace, "operation": "register"}
        if outcome == _CLOSED or (outcome == _GIVEN_UP and self._engine.closing):
            return WorkerClosed("the Worker was closed while it registered a callable", **fields)
        refusals = [result for result in results if result[1] not in (_OK, *_ENDED)]
        if {code for _, code, *_ in refusals} == {_REMOVING}:
            # The removal is complete at this level; below, accepted tasks still use the callable.
            where = ", ".join(child for child, *_ in refusals)
            return being_removed(serialized.label, f"tasks in {where} that use it have not ended yet", fields)
        return PartialFailureError(
            f"callable {serialized.label} was not registered: {refusal_words(results_of(refusals))}",
            **fields,
            results=told(results_of(results)),
        )

    # ---- unregistering ---------------------------------------------------------------------------------------------

    def unregister(self, handle: CallableHandle) -> None:
        """Releases ``handle``; see Worker.unregister."""
        with self._lock:
            token = self._check(handle, "unregister")
            token.live = False
        fields = {"hashid": token.hashid, "namespace": token.target_namespace, "operation": "unregister"}
        try:
            self._engine.unregister_callable(token.native)
        except native_errors() as error:
            raise WorkerClosed(error.args[1], **fields) from None

    # ---- resolving -------------------------------------------------------------------------------------------------

    def resolve(self, handle: CallableHandle, namespace: TargetNamespace, operation: str) -> _core.CallableRef:
        """The native callable of ``handle``, after the checks of _check() and of the namespace.

        The engine checks once more, when it accepts the task, that the callable is still registered.
        """
        token = getattr(handle, "_token", None)
        if (
            type(token) is not _core.Token
            or token.owner is not self
            or not token.live
            or token.target_namespace is not namespace
            or token.hashid is not handle.hashid
        ):
            token = self._check(handle, operation)
            if token.target_namespace is not namespace:
                raise NamespaceMismatchError(
                    f"{operation} takes callables of {namespace}; {token.label} is of {token.target_namespace}",
                    hashid=handle.hashid,
                    namespace=handle.target_namespace,
                    operation=operation,
                )
        return token.native

    def _check(self, handle: object, operation: str) -> _core.Token:
        """Checks type, owner, liveness and integrity, in this order."""
        if not isinstance(handle, CallableHandle):
            raise TypeError(
                f"{operation} takes the handle of a registered callable, not {kind_of(handle)}; "
                "register it first: handle = worker.register(...)"
            )
        fields = {"hashid": handle.hashid, "namespace": handle.target_namespace, "operation": operation}
        token = handle._token
        if token is None and handle._travelled and self._nested and operation != "unregister":
            token = self._inherited.get(handle.hashid)
            if token is None:
                raise HandleStaleError(f"{operation}: {handle!r} was unregistered by the Worker above", **fields)
        if not isinstance(token, _core.Token) or token.owner is not self:
            raise HandleForeignError(
                f"{operation}: {handle!r} was not made by this Worker; register the callable with this one", **fields
            )
        if not token.live and operation == "unregister" and self._engine.is_removing(token.native):
            raise UnregisterTombstoneError(
                f"callable {token.label} is being removed already: tasks that use it have not ended yet", **fields
            )
        if not token.live:
            raise HandleStaleError(f"{operation}: {handle!r} was unregistered; register the callable again", **fields)
        if (token.hashid, token.kind, token.target_namespace) != (handle.hashid, handle.kind, handle.target_namespace):
            raise HandleForeignError(f"{operation}: {handle!r} does not name the registered callable", **fields)
        return token


def _counted(signature: tuple[ArgDirection, ...] | None) -> tuple[int, int, str] | None:
    """The numbers of tensors and of scalars that a chip callable takes, and its signature as text."""
    if signature is None:
        return None
    scalars = signature.count(ArgDirection.SCALAR)
    return len(signature) - scalars, scalars, f"({', '.join(direction.name for direction in signature)})"
