"""Turns errors of the native core into those of runtime.errors."""

from __future__ import annotations

from typing import Any

from runtime import _core, errors

_BY_CODE: dict[str, type[errors.CallringError]] = {
    "timeout": errors.ControlTimeout,
    "closed": errors.WorkerClosed,
    "hashid_format_invalid": errors.HashidFormatError,
    "hashid_descriptor_mismatch": errors.DescriptorMismatchError,
    "kind_unsupported": errors.KindUnsupportedError,
    "slot_exhausted": errors.SlotExhaustedError,
    "worker_lost": errors.WorkerLost,
    "given_up": errors.WorkerGivenUp,
    "handle_stale": errors.HandleStaleError,
    "out_of_memory": errors.OutOfMemory,
    "out_of_descriptors": errors.OutOfDescriptors,
}


def native_errors() -> type[Exception]:
    """The exception type that the native core raises: ``(code, message)``."""
    return _core.NativeError


def translate(error: Exception, **fields: Any) -> Exception:
    """The error of runtime.errors for a native one."""
    code, message = error.args
    return _BY_CODE.get(code_name(code), errors.CallringError)(message, **fields)


def code_name(code: int) -> str:
    """The name of a native code."""
    return next((name for name, number in _core.CODES.items() if number == code), f"code {code}")
