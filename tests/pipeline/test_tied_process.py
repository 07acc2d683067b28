"""A tied command returns its status and its output, and never outlives the process that waits for it."""

import os
import select
import signal
import subprocess
import sys

import pytest

from pipeline.building.process_group import run_tied

from .conftest import PROJECT

PATIENCE = 60


def test_a_command_returns_its_status_and_its_whole_output():
    assert run_tied(["sh", "-c", "echo out; echo err >&2; exit 7"]) == (7, "out\nerr\n")


def test_each_line_is_reported_while_the_command_runs(tmp_path):
    told = tmp_path / "told"
    os.mkfifo(told)
    lines = []

    def tell(line):
        lines.append(line)
        if line == "first\n":
            told.write_text("go on")

    # The command ends only once this process has read its first line.
    assert run_tied(["sh", "-c", f"echo first; read go < {told}; echo second"], tell) == (0, "first\nsecond\n")
    assert lines == ["first\n", "second\n"]


def test_a_command_has_no_standard_input_to_wait_for():
    assert run_tied(["cat"]) == (0, "")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_all_processes_of_a_command_end_with_the_process_that_waits_for_it(tmp_path, how):
    held = tmp_path / "held"
    os.mkfifo(held)
    # Every process of the command holds the pipe open: the pipe ends when the last of them has ended.
    command = ["sh", "-c", f"exec 3>{held}; sleep 1000 & (sleep 1000; true) & echo started >&3; wait"]
    program = f"from pipeline.building.process_group import run_tied; run_tied({command!r})"
    waiting = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT)
    pipe = os.open(held, os.O_RDONLY)
    try:
        assert os.read(pipe, 100) == b"started\n"
        assert not select.select([pipe], [], [], 0.1)[0]
        waiting.send_signal(how)
        assert waiting.wait(PATIENCE) == -how
        assert select.select([pipe], [], [], PATIENCE)[0]
        assert os.read(pipe, 100) == b""
    finally:
        os.close(pipe)
        waiting.kill()
        waiting.wait()
