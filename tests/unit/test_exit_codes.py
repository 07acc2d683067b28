import pytest

from pipeline.exit_codes import CONFIGURATION, TASK_FAILED, WORKER_LOST, exit_code_of
from runtime.errors import ChipError, ConfigurationError, OutOfMemory, TaskSkipped, WorkerLost
from runtime.pickles.outcomes import RemoteTraceback


def noted(error, note="while doing something"):
    error.add_note(note)
    return error


def from_a_task(error):
    error.__cause__ = RemoteTraceback("Traceback ...")
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (noted(ValueError("wrong value")), CONFIGURATION),
        (noted(ConfigurationError("wrong value")), CONFIGURATION),
        (from_a_task(ValueError("wrong value")), TASK_FAILED),
        (from_a_task(noted(KeyError("x"))), TASK_FAILED),
        (ChipError("code 3"), TASK_FAILED),
        (TaskSkipped("not executed"), TASK_FAILED),
        (OutOfMemory("no memory for what it returned", operation="run"), TASK_FAILED),
        (OutOfMemory("no memory for a tensor", operation="empty"), CONFIGURATION),
        (WorkerLost("killed", operation="run"), WORKER_LOST),
    ],
)
def test_the_exit_code_follows_from_the_error_and_not_from_its_notes(error, code):
    assert exit_code_of(error) == code
