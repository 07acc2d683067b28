"""Every error that Callring raises: one type per failure that a caller can act on.

All derive from CallringError *and* from the built-in type that a Python user would catch. Each has a ``code`` and
structured fields, and its message names them (docs/reference/errors.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from runtime.errors import broken

    InitializerError = broken.InitializerError
    WorkerGivenUp = broken.WorkerGivenUp
    WorkerLost = broken.WorkerLost


class CallringError(Exception):
    """Base of all errors of Callring.

    Args:
        message: what happened and what to do.
        hashid: the name of the callable concerned.
        namespace: the callable's target namespace.
        worker: the child concerned, for instance ``"chip 3"``.
        operation: the call that failed, for instance ``"register"``.
    """

    code: ClassVar[str] = "CALLRING_ERROR"
    fields: ClassVar[tuple[str, ...]] = ("hashid", "namespace", "worker", "operation")

    def __init__(self, message: str = "", **fields: Any) -> None:
        unknown = fields.keys() - set(self.fields)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        super().__init__(message)
        for name in self.fields:
            value = fields.get(name)
            setattr(self, name, str(value) if name == "namespace" and value is not None else value)

    def __str__(self) -> str:
        """The message, the code, and the fields that the message does not name itself."""
        message = str(self.args[0]) if self.args else ""
        values = {name: getattr(self, name) for name in CallringError.fields}
        shown = [f"{name}={value}" for name, value in values.items() if value is not None and str(value) not in message]
        return f"{message} [{', '.join([self.code, *shown])}]"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles with all fields."""
        return _rebuild, (type(self), self.args[0] if self.args else "", {n: getattr(self, n) for n in self.fields})


def _rebuild(kind: type[CallringError], message: str, fields: dict[str, Any]) -> CallringError:
    return kind(message, **fields)


# ---- identity and registration -------------------------------------------------------------------------------------


class HashidFormatError(CallringError, ValueError):
    """A hashid is not ``sha256:`` and 64 lowercase hexadecimal digits."""

    code = "HASHID_FORMAT_INVALID"


class DescriptorMismatchError(CallringError, RuntimeError):
    """The received bytes do not hash to the requested hashid, or the hashid has another descriptor already."""

    code = "HASHID_DESCRIPTOR_MISMATCH"


class KindUnsupportedError(CallringError, ValueError):
    """An unknown kind, a kind that does not belong to its namespace, or a child that cannot run the kind."""

    code = "CALLABLE_KIND_UNSUPPORTED"


class HandleForeignError(CallringError, KeyError):
    """A handle that another Worker made, that is forged, or that is unbound (no Worker made it)."""

    code = "CALLABLE_HANDLE_FOREIGN"


class HandleStaleError(CallringError, KeyError):
    """A handle that was unregistered."""

    code = "CALLABLE_HANDLE_STALE"


class NamespaceMismatchError(CallringError, TypeError):
    """A handle was used for an operation on another target namespace."""

    code = "CALLABLE_NAMESPACE_MISMATCH"


class SlotExhaustedError(CallringError, RuntimeError):
    """No slot is free for another callable."""

    code = "LOCAL_SLOT_EXHAUSTED"


class PartialFailureError(CallringError, RuntimeError):
    """A child refused a registration, or no child is left to accept it; ``results`` maps every target to its answer."""

    code = "REGISTER_PARTIAL_FAILURE"
    fields = (*CallringError.fields, "results")


class CleanupUncertainError(CallringError, RuntimeError):
    """Reserved, never raised: a child whose answer about an identity is missing is replaced."""

    code = "REGISTER_CLEANUP_UNCERTAIN"


class RegisterTombstoneError(CallringError, RuntimeError):
    """A callable was registered while its removal is under way."""

    code = "REGISTER_TOMBSTONE_ACTIVE"


class UnregisterTombstoneError(CallringError, KeyError):
    """A handle was unregistered a second time while the removal of its callable is under way; this has no effect."""

    code = "UNREGISTER_TOMBSTONE_ACTIVE"


class ControlTimeout(CallringError, TimeoutError):  # noqa: N818 - named as in the contract
    """A child did not answer a control request in time. Registrations never raise it: they replace the child."""

    code = "CONTROL_TIMEOUT"


# ---- execution -----------------------------------------------------------------------------------------------------


class ChipError(CallringError, RuntimeError):
    """A kernel or an orchestration function returned non-zero.

    Fields: ``kernel_code`` (the returned code), ``kernel`` (None if the orchestration function failed), ``block``.
    """

    code = "CHIP_ERROR"
    fields = (*CallringError.fields, "kernel_code", "kernel", "block")


class TaskTimeout(CallringError, TimeoutError):  # noqa: N818
    """A task exceeded its deadline."""

    code = "TASK_TIMEOUT"


class TaskSkipped(CallringError, RuntimeError):  # noqa: N818
    """A task was not executed because a task that it depends on failed; that failure is the cause."""

    code = "TASK_SKIPPED"


class BackPressureTimeout(CallringError, TimeoutError):  # noqa: N818
    """A bound was reached, and no task or run ended in time; the message names the option to raise."""

    code = "BACK_PRESSURE"


class WorkerClosed(CallringError, RuntimeError):  # noqa: N818
    """The Worker is closed, or was not started."""

    code = "WORKER_CLOSED"


class StartError(CallringError, RuntimeError):
    """A child did not start; nothing is left behind."""

    code = "START_FAILED"


class OutOfMemory(CallringError, MemoryError):  # noqa: N818 - the name of the condition
    """This process or a child has no memory for the operation; other work is not affected."""

    code = "OUT_OF_MEMORY"


class OutOfDescriptors(CallringError, OSError):  # noqa: N818
    """A process has no file descriptors left for the operation; the message says how to raise the limit."""

    code = "OUT_OF_DESCRIPTORS"


# ---- configuration and building ------------------------------------------------------------------------------------


class ConfigurationError(CallringError, ValueError):
    """A value or a combination of values that cannot work; the message names it and the allowed values."""

    code = "CONFIGURATION"


class PlatformUnavailable(CallringError, RuntimeError):  # noqa: N818
    """A platform that is declared but cannot be used here; the message says what is missing."""

    code = "PLATFORM_UNAVAILABLE"


class BlobError(CallringError, ValueError):
    """Bytes that are not a valid ChipCallable."""

    code = "BLOB_INVALID"


class SignatureMismatch(CallringError, ValueError):  # noqa: N818
    """A declared signature contradicts the binary's."""

    code = "SIGNATURE_MISMATCH"


class CompileError(CallringError, RuntimeError):
    """The compiler refused a source; ``output`` holds its messages, ``source`` the file."""

    code = "COMPILE_FAILED"
    fields = (*CallringError.fields, "output", "source")


class ToolchainMissing(CallringError, RuntimeError):  # noqa: N818
    """No compiler; the message says what to install."""

    code = "TOOLCHAIN_MISSING"


# ---- broken executors ----------------------------------------------------------------------------------------------

_BROKEN = ("WorkerLost", "WorkerGivenUp", "InitializerError")


def __getattr__(name: str) -> type[CallringError]:
    """Imports the errors that are also BrokenExecutor when they are first used; see runtime/errors/broken.py."""
    if name not in _BROKEN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from runtime.errors import broken

    globals().update({each: getattr(broken, each) for each in _BROKEN})
    kind: type[CallringError] = globals()[name]
    return kind


def __dir__() -> list[str]:
    return sorted({*globals(), *_BROKEN})
