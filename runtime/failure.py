"""Makes the errors of runtime.errors from codes of the native core, refused submits and failed tasks."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import _core, errors
from runtime.errors import (
    BackPressureTimeout,
    CallringError,
    ChipError,
    ConfigurationError,
    ControlTimeout,
    DescriptorMismatchError,
    HandleStaleError,
    HashidFormatError,
    KindUnsupportedError,
    OutOfDescriptors,
    OutOfMemory,
    SlotExhaustedError,
    TaskSkipped,
    TaskTimeout,
    WorkerClosed,
)
from runtime.pickles.outcomes import RemoteTraceback, add_note, unpack_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# ---- codes of the native core --------------------------------------------------------------------------------------

_BY_CODE: dict[str, type[CallringError]] = {
    "timeout": ControlTimeout,
    "closed": WorkerClosed,
    "hashid_format_invalid": HashidFormatError,
    "hashid_descriptor_mismatch": DescriptorMismatchError,
    "kind_unsupported": KindUnsupportedError,
    "slot_exhausted": SlotExhaustedError,
    "handle_stale": HandleStaleError,
    "out_of_memory": OutOfMemory,
    "out_of_descriptors": OutOfDescriptors,
}


def load() -> None:
    """Imports what errors of lost children need. A process that has run out of descriptors cannot import it then."""
    import signal  # noqa: F401

    _ = errors.WorkerLost


@contextlib.contextmanager
def naming_lack_of_descriptors(kind: type[CallringError], operation: str) -> Iterator[None]:
    """Raises one of ``kind`` for an OSError of the block that is a lack of descriptors, also of an import."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        raise kind(f"{error}; raise the limit of open files (ulimit -n)", operation=operation) from None


def native_errors() -> type[Exception]:
    """The exception type of the native core: its ``args`` are (code, message), its ``child_end`` a ChildEnd or None."""
    return _core.NativeError


def translate(error: Exception, **fields: Any) -> Exception:
    """The error of runtime.errors for an error of the native core."""
    kind = _kind_of(code_name(error.args[0]))
    end = getattr(error, "child_end", None)
    if end is not None and issubclass(kind, errors.WorkerLost):
        fields = {"worker": end.child, **end_fields(end), **fields}
    return kind(words_of(error), **fields)


def _kind_of(code: str) -> type[CallringError]:
    match code:
        case "worker_lost":
            return errors.WorkerLost
        case "given_up":
            return errors.WorkerGivenUp
        case _:
            return _BY_CODE.get(code, CallringError)


def code_name(code: int) -> str:
    """The name of a native code."""
    return next((name for name, number in _core.CODES.items() if number == code), f"code {code}")


def words_of(error: Exception) -> str:
    """The message of a native error; if it reports the end of a child, the child's name and how it ended."""
    end = getattr(error, "child_end", None)
    return f"{end.child} {end_words(end)}" if end is not None else str(error.args[1])


HOST_LOST = 70
"""The exit status of a node's gateway whose host was lost."""

# ---- ends of children ----------------------------------------------------------------------------------------------


def end_words(end: _core.ChildEnd) -> str:
    """How a child ended, for instance ``"killed by signal 9 (SIGKILL) by its Worker: it did not answer"``, or why it
    did not start. For a child that was given up, also why it was given up.
    """
    if end.given_up is None:
        return _how_it_ended(end)
    count, window_ns, limited = end.given_up
    often = f"{count} {'process' if count == 1 else 'processes'} in a row that executed no task"
    if window_ns is not None:
        often = f"{count} {'death' if count == 1 else 'deaths'} within {window_ns / 1e9:g} s"
    raised = ", or raise WorkerOptions.max_restarts" if limited else ""
    return f"was given up after {often} (the last: {_how_it_ended(end)}); remove the cause{raised}"


def signal_name(number: int) -> str | None:
    """A signal's name, for instance ``"SIGKILL"``; None for a number without a name."""
    import signal  # imported late: its enumerations take time, and most processes see no end of a child

    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def end_fields(end: _core.ChildEnd) -> dict[str, int | None]:
    """``signal``, ``exit_status`` and ``pid`` of a child that ended; None for a value that is unknown or absent."""
    return {
        "signal": end.signal or None,
        "exit_status": end.exit_status if end.known and not end.signal else None,
        "pid": end.pid or None,
    }


def _how_it_ended(end: _core.ChildEnd) -> str:
    if not end.pid:
        return end.reason  # there was no process
    if not end.known:
        words = "ended with an unknown status"
    elif not end.signal and end.exit_status == HOST_LOST:
        words = f"its host was lost (exit status {HOST_LOST}; the reason is on standard error)"
    elif not end.signal:
        words = f"exited with status {end.exit_status}"
    else:
        name = signal_name(end.signal)
        words = f"killed by signal {end.signal}" + (f" ({name})" if name else "")
    return words + (f" by its Worker: {end.reason}" if end.reason else "")


# ---- refusals ------------------------------------------------------------------------------------------------------


def submit_refused(error: Exception, callable_: _core.CallableRef) -> Exception:
    """The error of a task that the engine did not accept."""
    fields = {"hashid": f"sha256:{callable_.digest.hex()}", "operation": "submit"}
    name = code_name(error.args[0])
    if name == "handle_stale":
        return HandleStaleError(f"submit: callable {callable_.label} was unregistered; register it again", **fields)
    if name == "invalid_argument":
        return ConfigurationError(f"submit: callable {callable_.label}: {error.args[1]}", **fields)
    return translate(error, **fields)


def launch_refused(error: Exception) -> Exception:
    """The error of a graph that the engine did not launch."""
    code, situation = error.args
    match code_name(code):
        case "handle_stale":
            message = f"launch: {situation}; register it again, and capture the graph anew"
            return HandleStaleError(message, operation="launch")
        case "invalid_argument":
            return ConfigurationError(f"launch: {situation}")
        case _:
            return translate(error, operation="launch")


def no_room(situation: str, timeout: float, option: str, *, instead: str, operation: str = "submit") -> Exception:
    """The error of a submit that waited at a bound until its timeout.

    Args:
        situation: the reached bound, in the engine's words.
        timeout: how many seconds the submit waited.
        option: the option of WorkerOptions that sets the bound.
        instead: what the user can do instead of raising the option.
        operation: the operation that was refused.
    """
    return BackPressureTimeout(
        f"{situation} and none ended within {timeout} s; raise WorkerOptions.{option}, or {instead}",
        operation=operation,
    )


# ---- tasks ---------------------------------------------------------------------------------------------------------

_SHORT_OF = {"out_of_memory": OutOfMemory, "out_of_descriptors": OutOfDescriptors}


def failed_in_task(error: BaseException) -> bool:
    """Whether ``error`` reports a failed task: its callable, or the transfer of its arguments or result, failed."""
    if isinstance(error, CallringError):
        return isinstance(error, ChipError | TaskSkipped) or getattr(error, "operation", None) == "run"
    return isinstance(error.__cause__, RemoteTraceback)


class _Names(NamedTuple):
    label: str
    hashid: str
    worker: str | None


class Failures:
    """Builds the errors of one Worker's tasks.

    Args:
        codes: the numbers of the native core's codes, by name.
        name_child: returns a child's name by its index, for instance ``"chip 3"``.
    """

    def __init__(
        self,
        codes: dict[str, int],
        name_child: Callable[[int], str],
    ) -> None:
        self._codes = codes
        self._name_child = name_child

    def value_of(self, task: _core.Task) -> Any:
        """The value that a successful task returned.

        Raises:
            OutOfMemory: this process has no memory for the value.
            Also every error of unpickling.
        """
        try:
            return task.value()
        except MemoryError as error:
            raise self.no_memory(task) from error

    def no_memory(self, task: _core.Task, label: str | None = None, hashid: str | None = None) -> OutOfMemory:
        """The error of a successful task whose value does not fit into this process's memory; see error_of."""
        where = self._names(task, label, hashid)
        return OutOfMemory(
            f"callable {where.label} ran on {where.worker}, but this process has no memory for what it returned; "
            "return less at once, or drop earlier results",
            hashid=where.hashid,
            worker=where.worker,
            operation="run",
        )

    def _names(self, task: _core.Task, label: str | None, hashid: str | None) -> _Names:
        return _Names(
            label or task.callable.label,
            hashid or f"sha256:{task.callable.digest.hex()}",
            self._name_child(task.child) if task.child >= 0 else None,
        )

    def error_of(self, task: _core.Task, label: str | None = None, hashid: str | None = None) -> BaseException | None:
        """The error of an ended task; None if it succeeded.

        Args:
            task: an ended task.
            label, hashid: name the callable in messages; None: those of the task's callable.
        """
        code = task.code
        if code == self._codes["ok"]:
            return None
        if task.failed_member is not None:
            return self.error_of(task.failed_member, label, hashid)  # a group fails as its first failed member did
        label, hashid, worker = self._names(task, label, hashid)
        if code == self._codes["skipped"]:
            return self._skipped(task, label, hashid)
        if code == self._codes["python_exception"]:
            error = unpack_exception(task.payload)
            add_note(error, f"in {worker}, callable {label} ({hashid})")
            return error
        if code == self._codes["kernel_failed"]:
            number, kernel, block, message = task.kernel_failure
            return chip_error(label, number, kernel, block, message, hashid=hashid, worker=worker)
        if task.child_end is not None:
            return _ended_with_child(
                task.child_end, given_up=code == self._codes["given_up"], label=label, hashid=hashid
            )
        text = task.payload.decode(errors="replace")
        name = code_name(code)
        if name == "task_timeout":
            return TaskTimeout(
                f"callable {label} exceeded its deadline of {task.deadline_ns / 1e9:g} s on {worker}",
                hashid=hashid,
                worker=worker,
                operation="run",
            )
        if name == "cancelled":
            return CallringError(
                f"callable {label} was not executed: its run was cancelled", hashid=hashid, operation="run"
            )
        fields = {"hashid": hashid, "worker": worker, "operation": "run"}
        if name in _SHORT_OF:
            return _SHORT_OF[name](
                f"callable {label} ran on {worker}, but what it returned is lost: {text or 'no memory'}", **fields
            )
        return CallringError(f"callable {label} failed ({name}): {text}", **fields)

    def _skipped(self, task: _core.Task, label: str, hashid: str) -> TaskSkipped:
        error = TaskSkipped(
            f"callable {label} was not executed: a task that it depends on failed", hashid=hashid, operation="run"
        )
        if task.root_cause is not None:
            error.__cause__ = self.error_of(task.root_cause)
        return error


def _ended_with_child(end: _core.ChildEnd, *, given_up: bool, label: str, hashid: str) -> errors.WorkerLost:
    kind: type[errors.WorkerLost] = errors.WorkerLost
    lane = ", having written over its lane" if end.wrote_over_lane else ""
    pid = f", pid {end.pid}" if end.pid else ""
    kernel, block = end.crashed_in or (None, None)
    where = f" in its kernel {kernel}, block {block}" if kernel else ""
    message = f"{end.child} was lost: {_how_it_ended(end)}{pid}{lane}; callable {label}{where}"
    if given_up:
        kind, message = errors.WorkerGivenUp, f"callable {label} was not executed: {end.child} {end_words(end)}"
    fields = {"callable": label, "kernel": kernel, "block": block, **end_fields(end)}
    return kind(message, hashid=hashid, worker=end.child, operation="run", **fields)


def chip_error(label: str, code: int, kernel: str, block: int, message: str, **fields: Any) -> ChipError:
    """The error of a chip callable.

    Args:
        label: the callable's name in messages.
        code: the value that the kernel or the orchestration function returned.
        kernel: the kernel's name; empty: the orchestration function failed.
        block: the kernel's block.
        message: the text of the kernel; may be empty.
        fields: further fields of CallringError.
    """
    where = f"kernel {kernel}, block {block}" if kernel else "orchestration function"
    reason = f": {message}" if message else ""
    return ChipError(
        f"callable {label} failed with code {code} in its {where}{reason}",
        operation="run",
        kernel_code=code,
        kernel=kernel or None,
        block=block if kernel else None,
        **fields,
    )
