"""Turns the outcome of a task into what its caller sees: a value, or the error that execution.md promises."""

from __future__ import annotations

import pickle
import traceback
from typing import TYPE_CHECKING

import cloudpickle

from runtime.errors import CallringError, ChipError, TaskSkipped, TaskTimeout, WorkerGivenUp, WorkerLost
from runtime.native_errors import code_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import _core


class RemoteTraceback(Exception):  # noqa: N818 - named as in multiprocessing and concurrent.futures
    """The traceback of an exception in a child, as text; the cause of the exception in the parent."""

    @property
    def tb(self) -> str:
        """The text, by the name that concurrent.futures gives it."""
        return str(self.args[0])

    def __str__(self) -> str:
        """The text, on lines of its own."""
        return f"\n{self.tb}"


def pickle_value(value: object) -> bytes:
    """Pickles what a Python callable returned, by reference where that can be, which is twenty times faster."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:  # a lambda, a class made in the task: pickle says so in many ways
        return bytes(cloudpickle.dumps(value))


def pack_exception(error: BaseException) -> bytes:
    """Encodes an exception with its traceback; one that cannot be pickled keeps its type's name and its text."""
    text = "".join(traceback.format_exception(error))
    try:
        pickled = cloudpickle.dumps(error)
        pickle.loads(pickled)  # an exception with a custom __init__ often pickles but does not come back
    except Exception:
        pickled = b""
    return pickle.dumps((pickled, f"{type(error).__module__}.{type(error).__qualname__}", str(error), text))


def unpack_exception(payload: bytes) -> BaseException:
    """The exception that pack_exception encoded, with the child's traceback as its cause."""
    pickled, type_name, message, text = pickle.loads(payload)
    error: BaseException
    try:
        error = pickle.loads(pickled)
    except Exception:
        error = RuntimeError(f"{type_name}: {message}")
    error.__cause__ = RemoteTraceback(text)
    return error


class Failures:
    """Builds the errors of one Worker's tasks.

    Args:
        codes: names to numbers of the native core's codes.
        name_child: index of a child to its name, for instance ``"chip 3"``.
    """

    def __init__(
        self,
        codes: dict[str, int],
        name_child: Callable[[int], str],
    ) -> None:
        self._codes = codes
        self._name_child = name_child

    def error_of(self, task: _core.Task, label: str | None = None, hashid: str | None = None) -> BaseException | None:
        """The error of an ended task; None if it succeeded.

        Args:
            task: has ended.
            label, hashid: what messages name in place of the task's callable.
        """
        code = task.code
        if code == self._codes["ok"]:
            return None
        if task.failed_member is not None:
            return self.error_of(task.failed_member, label, hashid)  # a group fails as its first failed member did
        label = label or task.callable.label
        hashid = hashid or f"sha256:{task.callable.digest.hex()}"
        worker = self._name_child(task.child) if task.child >= 0 else None
        if code == self._codes["skipped"]:
            return self._skipped(task, label, hashid)
        if code == self._codes["python_exception"]:
            error = unpack_exception(task.payload)
            error.add_note(f"in {worker}, callable {label} ({hashid})")
            return error
        text = task.payload.decode(errors="replace")
        if code == self._codes["kernel_failed"]:
            return self._chip_error(text, label, hashid, worker)
        if code == self._codes["worker_lost"]:
            return WorkerLost(
                f"{worker or 'the worker'} was lost: {text}; callable {label}",
                hashid=hashid,
                worker=worker,
                operation="run",
                callable=label,
                signal=_number_after(text, "signal "),
                exit_status=_number_after(text, "status "),
            )
        name = code_name(code)
        if name == "task_timeout":
            return TaskTimeout(
                f"callable {label} exceeded its deadline of {task.deadline_ns / 1e9:g} s on {worker}",
                hashid=hashid,
                worker=worker,
                operation="run",
            )
        if name == "given_up":
            return WorkerGivenUp(
                f"callable {label} was not executed: {text}",
                hashid=hashid,
                worker=worker,
                operation="run",
                callable=label,
            )
        return CallringError(f"callable {label} failed ({name}): {text}", hashid=hashid, worker=worker, operation="run")

    def _skipped(self, task: _core.Task, label: str, hashid: str) -> TaskSkipped:
        error = TaskSkipped(
            f"callable {label} was not executed: a task that it depends on failed", hashid=hashid, operation="run"
        )
        if task.root_cause is not None:
            error.__cause__ = self.error_of(task.root_cause)
        return error

    @staticmethod
    def _chip_error(text: str, label: str, hashid: str, worker: str | None) -> ChipError:
        kernel_code, block, kernel, message = text.split("\n", 3)
        where = f"kernel {kernel}, block {block}" if kernel else "orchestration function"
        reason = f": {message}" if message else ""
        return ChipError(
            f"callable {label} failed with code {kernel_code} in its {where}{reason}",
            hashid=hashid,
            worker=worker,
            operation="run",
            kernel_code=int(kernel_code),
            kernel=kernel or None,
            block=int(block) if kernel else None,
        )


def _number_after(text: str, word: str) -> int | None:
    _, found, rest = text.partition(word)
    digits = rest.split(" ", 1)[0]
    return int(digits) if found and digits.isdigit() else None
