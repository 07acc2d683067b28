"""The output on a terminal: whole lines, colours with a meaning, and nothing left of the live line."""

import re
import sys

import pytest

from .conftest import USER_CONFIGS
from .terminal import on_terminal
from .test_failing_runs import adds_with
from .test_hand_over import PRETENDS_TO_HAVE_ANOTHER_CORE

SMALL = ("workload=vector_add", "workload.size=4096")
GREEN, RED = 32, 31
PRINTS_MEANWHILE = """
import sys
from pipeline.terminal.console import Console
console = Console(sys.stdout)
with console.stage("execute"):
    console.action("started", "1 chip", seconds=0.5)
    print("a program's own line")
    print("a program's own warning", file=sys.stderr)
    with console.left_alone():
        print("another's line")
    console.error("error: no good")
console.line("ok          as it was")
"""
MANY_TASKS = """
import sys
from pipeline.terminal.console import Console
console = Console(sys.stdout)
with console.stage("execute"):
    console.counted("tasks", lambda: (5000, 10000), lambda: "median 1.00 ms, about 5 s left")
"""

BUILDS = """
import os, sys
from pathlib import Path
from pipeline.building.progress import STATUS, BuildProgress
from pipeline.terminal.console import Console
from pipeline.building.core import find_program
from pipeline.building.process_group import run_tied
console = Console(sys.stdout)
with console.stage("build"), Path("build.log").open("w") as log:
    progress = BuildProgress(console, log, "run/build.log")
    code, _ = run_tied([find_program("ninja")], progress, {**os.environ, **STATUS})
sys.exit(code)
"""
NINJA = """
rule compile
  command = touch $out
  description = Building CXX object $out
build some/folder/one.cpp.o: compile
build some/folder/two.cpp.o: compile | some/folder/one.cpp.o
"""


@pytest.fixture
def terminal(command):
    def run(*arguments, columns=200, program=("-m", "pipeline"), **options):
        whole = [sys.executable, *program, *arguments]
        return on_terminal(whole, columns, env=command.environment, cwd=command.folder, **options)

    return run


def words_of(lines):
    """Lines with text, without the line below a table's head, and without padding."""
    return [" ".join(line.split()) for line in lines if line.strip() and "──" not in line]


@pytest.mark.parametrize("topology", ["chip1", "chip8"])
def test_a_terminal_shows_the_lines_of_the_log_unbroken(terminal, command, topology):
    screen = terminal(*SMALL, f"+topology={topology}", "hydra.run.dir=run")
    assert screen.code == 0
    assert words_of(screen.lines) == words_of((command.folder / "run" / "run.log").read_text().splitlines())
    assert screen.lines[-1].split()[:2] == ["reported", "run/report.html"]


def test_in_80_columns_the_lines_of_a_run_fit(terminal):
    screen = terminal(*SMALL, "+topology=chip8", "workload.repeat=20", "workload.warm_up=2", columns=80)
    assert screen.code == 0
    begins = {line.split()[0] for line in words_of(screen.lines)}
    # The second half of a broken line would begin with another word.
    known = "callable add cached built loaded started registered warmed executed verified ok reported"
    assert begins <= set(known.split())


def test_a_run_that_another_process_takes_over_shows_whole_lines_too(terminal, command):
    screen = terminal(*SMALL, "hydra.run.dir=run", program=("-c", PRETENDS_TO_HAVE_ANOTHER_CORE))
    assert screen.code == 0
    assert words_of(screen.lines) == words_of((command.folder / "run" / "run.log").read_text().splitlines())


def test_output_of_other_code_meanwhile_has_its_own_lines(terminal):
    screen = terminal(program=("-c", PRINTS_MEANWHILE))
    assert [" ".join(line.split()) for line in screen.lines] == [
        "started 1 chip 500 ms",
        "a program's own line",
        "a program's own warning",
        "another's line",
        "error: no good",
        "ok as it was",
    ]


def test_errors_go_where_standard_error_goes(terminal, command):
    with (command.folder / "errors").open("w") as errors:
        screen = terminal(program=("-c", PRINTS_MEANWHILE), stderr=errors)
    assert (command.folder / "errors").read_text() == "a program's own warning\nerror: no good\n"
    assert "no good" not in screen.text


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_live_line_has_a_bar_and_disappears(terminal, columns):
    screen = terminal(program=("-c", MANY_TASKS), columns=columns)
    assert screen.lines == []
    assert "5,000/10,000" in screen.text
    assert ("about 5 s left" in screen.text) == (columns > 40)


def test_the_colour_of_a_word_shows_its_meaning(terminal):
    good = terminal(*SMALL)
    assert f"\x1b[{GREEN}mok\x1b[0m" in good.text
    assert RED not in good.colours
    bad = terminal(*USER_CONFIGS, *SMALL, "callable@workload.callables.add=wrong_sum")
    assert f"\x1b[{RED}mdiffers\x1b[0m" in bad.text
    lost = terminal(*adds_with("segfault"))
    assert f"\x1b[{RED}merror\x1b[0m" in lost.text


@pytest.mark.parametrize("also", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_there_are_no_colours_if_the_environment_refuses_them(terminal, also):
    screen = terminal(*USER_CONFIGS, *SMALL, "callable@workload.callables.add=wrong_sum", also=also)
    assert screen.code == 4
    assert screen.colours == set()


def test_many_runs_are_one_line(inside):
    done = inside(*SMALL, "workload.warm_up=1", "workload.repeat=5", "hydra.run.dir=run")
    lines = [line for line in done.out.splitlines() if line.startswith(("warmed up", "executed"))]
    assert len(lines) == 2
    assert lines[1].endswith("s (median of 5)")


def test_a_pipe_gets_the_progress_after_a_long_time_without_output(inside, monkeypatch):
    monkeypatch.setattr("pipeline.terminal.console._SILENCE", 0.0)
    done = inside(*SMALL, "workload.repeat=3")
    said = [line.split(maxsplit=1)[1] for line in done.out.splitlines() if line.startswith("working")]
    assert [words.partition(",")[0] for words in said] == ["0 of 3 runs", "1 of 3 runs", "2 of 3 runs"]
    assert said[2].endswith("about 0 s left")
    assert "working" not in inside(*SMALL, "workload.repeat=1").out


def test_the_runs_before_a_failed_run_are_counted(inside):
    fails = "+workload.orchestration=user_programs.third_time:orchestrate"
    config = ("workload=declared_sums", "python_packages=[pipeline,user_programs]", "~workload.tasks", fails)
    done = inside(*USER_CONFIGS, *config, "+workload.warm_up=0", "+workload.repeat=5")
    assert "the third time" in done.err
    assert "(median of 2 of 5)" in done.out


def test_a_build_shows_its_progress_its_file_and_its_log(terminal, command):
    (command.folder / "build.ninja").write_text(NINJA)
    screen = terminal(program=("-c", BUILDS))
    assert (screen.code, screen.lines) == (0, [])
    assert " 2/2 two.cpp, log: run/build.log" in screen.text
    log = (command.folder / "build.log").read_text()
    assert "[1/2] Building CXX object some/folder/one.cpp.o\n[2/2] Building" in log


SWEPT = ("-m", *SMALL, "+topology=chip1", "workload.seed=1,-1,2", "hydra.sweep.dir=sweep")
SAID = [
    "job 0 1/3 ok median workload.seed=1",
    "job 1 2/3 error workload.seed=-1",
    "job 2 3/3 ok median workload.seed=2",
]


def points_of(lines):
    """The lines of points, without their times."""
    return [
        re.sub(r"median +\S+ \S+", "median", " ".join(line.split())) for line in lines if re.match(r"job +\d", line)
    ]


def test_a_sweep_shows_one_line_for_each_point(inside):
    done = inside(*SWEPT)
    assert done.code == 1
    assert points_of(done.out.splitlines()) == SAID
    assert "registered" not in done.out
    assert "registered" in (done.folder / "sweep" / "0" / "run.log").read_text()


def test_on_a_terminal_a_sweep_shows_the_remaining_time(terminal):
    screen = terminal(*SWEPT)
    assert points_of(screen.lines) == SAID
    assert any(line.startswith("error: ") for line in screen.lines)
    assert " 3/3" in screen.text
    assert not [line for line in screen.lines if "sweep ━" in line]


def test_a_point_that_another_process_takes_over_has_its_line_too(terminal):
    arguments = ("-m", *SMALL, "workload.seed=1,2", "hydra.sweep.dir=sweep")
    screen = terminal(*arguments, program=("-c", PRETENDS_TO_HAVE_ANOTHER_CORE))
    assert points_of(screen.lines) == ["job 0 1/2 ok median workload.seed=1", "job 1 2/2 ok median workload.seed=2"]
