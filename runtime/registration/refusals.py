"""Errors of registrations that the registrar or a child refused. A node's answer names the processes below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import _core
from runtime.errors import (
    DescriptorMismatchError,
    PartialFailureError,
    RegisterTombstoneError,
    SlotExhaustedError,
    StartError,
    WorkerClosed,
)
from runtime.failure import code_name, end_words, translate, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.registration.serialize import Serialized

_OK = "ok"
_PARTIAL = "partial_failure"


class TargetResult(NamedTuple):
    """The answer of one target to a registration."""

    target: str
    """``"chip 3"``; below a node ``"node 0 / chip 1"``."""
    code: str
    """``"ok"``, or the name of a code of the native core."""
    text: str = ""
    """Why the target does not have the callable."""

    @property
    def well(self) -> bool:
        """Whether the target has the callable."""
        return self.code == _OK

    def __str__(self) -> str:
        """``"ok"``, or the code and the reason."""
        return _OK if self.well else f"{self.code}: {self.text}"


def results_of(results: list[tuple[str, int, str, _core.ChildEnd | None]]) -> list[TargetResult]:
    """The answers of all targets. The engine gives each as child, code, text, and, as a reason, the child's end.

    The targets below a node follow the node.
    """
    found: list[TargetResult] = []
    for child, number, text, end in results:
        code = code_name(number)
        if code == _PARTIAL:
            below = _unpacked(text)
            refusing = ", ".join(result.target for result in below if not result.well)
            found.append(TargetResult(child, code, refusing or "a process below it refused"))
            found += [result._replace(target=f"{child} / {result.target}") for result in below]
        elif end is not None:
            found.append(TargetResult(child, code, end_words(end) + (f" ({text})" if text else "")))
        else:
            found.append(TargetResult(child, code, text))
    return found


def told(results: Iterable[TargetResult]) -> dict[str, str]:
    """The ``results`` of a PartialFailureError."""
    return {result.target: str(result) for result in results}


def packed(results: Iterable[TargetResult]) -> str:
    """One line for each target, so that a message that is cut short loses only the last targets."""
    import json  # imported here to keep the start fast

    return "".join(f"{json.dumps(result)}\n" for result in results)


def _unpacked(message: str) -> list[TargetResult]:
    import json

    return [TargetResult(*json.loads(line)) for line in message.splitlines(keepends=True) if line.endswith("\n")]


def being_removed(label: str, why: str, fields: dict[str, Any]) -> RegisterTombstoneError:
    """The error of registering a callable whose removal is under way; ``why`` is what delays the removal."""
    return RegisterTombstoneError(
        f"callable {label} is being removed: {why}; register it again after the removal", **fields
    )


def refused(serialized: Serialized, error: Exception) -> Exception:
    """The error of a registration that was refused before anything changed."""
    label, message = serialized.label, words_of(error)
    fields = {"hashid": serialized.hashid, "namespace": serialized.namespace, "operation": "register"}
    match code_name(error.args[0]):
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
            return type(translate(error))(f"callable {label} was not registered: {message}", **fields)


def start_failed(error: Exception, refusal: tuple[bytes, str, str, int, str] | None) -> Exception:
    """The error of a Worker's start: a child did not start, or refused a callable that was registered before.

    Args:
        error: the engine's error.
        refusal: digest and label of the refused callable, and the child's name, code and text; None: none was refused.
    """
    if refusal is None:
        starting = " while starting" if getattr(error, "child_end", None) else ""
        words, code = words_of(error), f" ({code_name(error.args[0])})"
        # The reason of a child whose own children did not start has it already.
        return StartError(words if words.endswith(code) else f"{words}{starting}{code}", operation="init")
    digest, label, child, why, text = refusal
    results = results_of([(child, why, text, None)])
    return PartialFailureError(
        f"callable {label} was not registered: {refusal_words(results)}",
        hashid=f"sha256:{digest.hex()}",
        worker=child,
        operation="init",
        results=told(results),
    )


def refusal_words(results: Iterable[TargetResult]) -> str:
    """The targets that refused, and why."""
    return "; ".join(f"{result.target}: {result}" for result in results if not result.well)
