"""Why a registration was refused: by the registrar, or by children, whose answers name those below them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime import _core
from runtime.errors import (
    DescriptorMismatchError,
    PartialFailureError,
    RegisterTombstoneError,
    SlotExhaustedError,
    StartError,
    WorkerClosed,
)
from runtime.failure import code_name, native_errors, translate

if TYPE_CHECKING:
    from runtime.registration.serialize import Serialized

_OK = _core.CODES["ok"]
_PARTIAL = _core.CODES["partial_failure"]


def told_by(results: list[tuple[str, int, str]]) -> dict[str, str]:
    """What every target answered, ``"ok"`` or why not; those below a node child as ``"node 0 / chip 1"``."""
    told: dict[str, str] = {}
    for child, code, why in results:
        if code != _PARTIAL:
            told[child] = "ok" if code == _OK else f"{code_name(code)}: {why}"
            continue
        below = _unpacked(why)
        refused = ", ".join(target for target, text in below if text != "ok")
        told[child] = f"{code_name(code)}: {refused or 'a process below it refused'}"
        told |= {f"{child} / {target}": text for target, text in below}
    return told


def packed(results: list[tuple[str, int, str]]) -> str:
    """A line for each target, so that a message that is cut short loses the last targets only."""
    return "".join(f"{json.dumps(pair)}\n" for pair in told_by(results).items())


def _unpacked(message: str) -> list[tuple[str, str]]:
    return [tuple(json.loads(line)) for line in message.splitlines(keepends=True) if line.endswith("\n")]


def being_removed(label: str, why: str, fields: dict[str, Any]) -> RegisterTombstoneError:
    """The error of registering what is being removed: ``why`` says by what that is held up."""
    return RegisterTombstoneError(
        f"callable {label} is being removed: {why}; register it again when they have", **fields
    )


def refused(serialized: Serialized, code: int, message: str) -> Exception:
    """What a registration that changed nothing is refused with."""
    label = serialized.label
    fields = {"hashid": serialized.hashid, "namespace": serialized.namespace, "operation": "register"}
    match code_name(code):
        case "removal_active":
            return being_removed(label, message, fields)
        case "slot_exhausted":
            return SlotExhaustedError(
                f"callable {label} was not registered: {message}; unregister others, or raise "
                "WorkerOptions.max_callables",
                **fields,
            )
        case "hashid_descriptor_mismatch":
            return DescriptorMismatchError(f"callable {label} was not registered: {message}", **fields)
        case "closed":
            return WorkerClosed(message, **fields)
        case _:
            return translate(native_errors()(code, f"callable {label} was not registered: {message}"), **fields)


def start_failed(error: Exception, refusal: tuple[bytes, str, str, int, str] | None) -> Exception:
    """Why a Worker did not start: a child that did not, or one that refused what was registered before.

    Args:
        error: of the engine.
        refusal: digest and label of a callable, the child, its code and its text; None if none was refused.
    """
    if refusal is None:
        code, message = error.args
        return StartError(f"{message} ({code_name(code)})", operation="init")
    digest, label, child, why, text = refusal
    told = told_by([(child, why, text)])
    failed = "; ".join(f"{target}: {answer}" for target, answer in told.items() if answer != "ok")
    return PartialFailureError(
        f"callable {label} was not registered: {failed}",
        hashid=f"sha256:{digest.hex()}",
        worker=child,
        operation="init",
        results=told,
    )
