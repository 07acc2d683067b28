"""The exit code of each kind of failure, for a shell or for CI."""

from __future__ import annotations

import traceback

from pipeline.lock.mismatch import LockMismatch
from pipeline.terminal.broken_pipe import ReaderGone
from pipeline.terminal.interrupts import INTERRUPTED
from runtime.errors import (
    CallringError,
    CompileError,
    ControlTimeout,
    SignatureMismatch,
    StartError,
    TaskTimeout,
    ToolchainMissing,
    WorkerLost,
)
from runtime.failure import failed_in_task

OK = 0
CONFIGURATION = 1
BUILD_FAILED = 3
TASK_FAILED = 4
WORKER_LOST = 5
SLOWER = 6
"""The run was slower than ``compare_threshold`` allows."""
READER_GONE = ReaderGone.exit_code


def exit_code_of(error: BaseException) -> int:
    """The exit code for the error that ended a run."""
    if isinstance(error, ReaderGone):
        return READER_GONE
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, (WorkerLost, TaskTimeout, ControlTimeout, StartError)):
        return WORKER_LOST
    if isinstance(error, (CompileError, SignatureMismatch, ToolchainMissing, LockMismatch)):
        return BUILD_FAILED
    if failed_in_task(error):
        return TASK_FAILED
    return CONFIGURATION


def message_of(error: BaseException) -> str:
    """The message for a person: the text of a Callring error, the text and the traceback of a callable's error, and the
    whole traceback of any other error."""
    if isinstance(error, ReaderGone):
        return "interrupted: the output is not read any more"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    notes = getattr(error, "__notes__", ())
    if isinstance(error, CallringError):
        return "\n".join([str(error), *notes])
    if failed_in_task(error):
        return "\n".join([f"{type(error).__name__}: {error}", *notes, str(error.__cause__ or "").strip()])
    return "".join(traceback.format_exception(error))
