"""If the reader of standard output ends early, as in ``callring | head -1``, the command ends as Unix tools do."""

import json
import sys

import pytest

from .test_failing_runs import SMALL, assert_nothing_remains

ENDS_EARLY = [
    pytest.param((*SMALL, "hydra.run.dir=run"), id="a run"),
    pytest.param(("-m", *SMALL, "workload.seed=1,2", "hydra.sweep.dir=sweep"), id="a sweep"),
    pytest.param((*SMALL, "stage=plan"), id="a plan"),
    pytest.param(("stage=schema", "output=json"), id="one large text"),
    pytest.param(("--help",), id="help"),
]


@pytest.mark.parametrize("arguments", ENDS_EARLY)
def test_a_command_whose_output_has_no_reader_ends_without_a_message(command, arguments):
    with command.start(*arguments, start_new_session=True) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, "")
    assert_nothing_remains(process.pid)


def test_the_result_of_a_run_whose_output_has_no_reader_has_its_stages_so_far(command):
    with command.start(*SMALL, "hydra.run.dir=run") as process:
        process.stdout.close()
    document = json.loads((command.folder / "run" / "result.json").read_text())
    assert (document["status"], document["exit_code"]) == ("interrupted", 141)
    assert "the output is not read any more" in document["error"]


def test_a_closed_standard_output_is_no_reason_to_fail(command):
    closing = ("-c", f'exec {sys.executable} -m pipeline "$@" >&-', "sh")
    with command.start(*SMALL, "hydra.run.dir=run", program=closing, executable="/bin/sh") as process:
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert json.loads((command.folder / "run" / "result.json").read_text())["status"] == "ok"
