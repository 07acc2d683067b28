"""What a person sees on a terminal: whole lines, colours with a meaning, and nothing left of what was at work."""

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
from pipeline.console import Console
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
from pipeline.console import Console
console = Console(sys.stdout)
with console.stage("execute"):
    console.counted("tasks", lambda: (5000, 10000), lambda: "median 1.00 ms, about 5 s left")
"""


@pytest.fixture
def terminal(command):
    def run(*arguments, columns=200, program=("-m", "pipeline"), **options):
        whole = [sys.executable, *program, *arguments]
        return on_terminal(whole, columns, env=command.environment, cwd=command.folder, **options)

    return run


def without_tables(lines):
    """Lines that are no row of a table, and hold something."""
    return [line for line in lines if line and line[0] not in "┏┃┡│└"]


@pytest.mark.parametrize("topology", ["chip1", "chip8"])
def test_a_terminal_shows_the_lines_of_the_log_each_whole(terminal, command, topology):
    screen = terminal(*SMALL, f"+topology={topology}", "hydra.run.dir=run")
    assert screen.code == 0
    log = (command.folder / "run" / "run.log").read_text().splitlines()
    table = {line for line in log if line.split()[0] in {"callable", "add"}}
    assert len(table) == 2
    assert without_tables(screen.lines) == [line for line in log if line not in table]
    assert screen.lines[-1].split()[:2] == ["reported", "run/report.html"]


def test_in_80_columns_the_lines_of_a_run_fit(terminal):
    screen = terminal(*SMALL, "+topology=chip8", "workload.repeat=20", "workload.warm_up=2", columns=80)
    assert screen.code == 0
    begins = {line.split()[0] for line in without_tables(screen.lines)}
    # A line that is cut in two would begin with another word.
    known = "cached built loaded started registered warmed executed verified ok reported"
    assert begins <= set(known.split())


def test_a_run_that_another_process_takes_over_shows_whole_lines_too(terminal, command):
    screen = terminal(*SMALL, "hydra.run.dir=run", program=("-c", PRETENDS_TO_HAVE_ANOTHER_CORE))
    assert screen.code == 0
    log = (command.folder / "run" / "run.log").read_text().splitlines()
    assert [line for line in log if line.split()[0] not in {"callable", "add"}] == without_tables(screen.lines)


def test_what_others_print_meanwhile_has_lines_of_its_own(terminal):
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
def test_what_is_at_work_is_one_line_with_a_bar_and_goes_away(terminal, columns):
    screen = terminal(program=("-c", MANY_TASKS), columns=columns)
    assert screen.lines == []
    assert "5,000/10,000" in screen.text
    assert ("about 5 s left" in screen.text) == (columns > 40)


def test_colours_say_what_a_word_means(terminal):
    good = terminal(*SMALL)
    assert f"\x1b[{GREEN}mok\x1b[0m" in good.text
    assert RED not in good.colours
    bad = terminal(*USER_CONFIGS, *SMALL, "callable@workload.callables.add=wrong_sum")
    assert f"\x1b[{RED}mdiffers\x1b[0m" in bad.text
    lost = terminal(*adds_with("segfault"))
    assert f"\x1b[{RED}merror\x1b[0m" in lost.text


@pytest.mark.parametrize("also", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_where_no_colours_are_wanted_there_are_none(terminal, also):
    screen = terminal(*USER_CONFIGS, *SMALL, "callable@workload.callables.add=wrong_sum", also=also)
    assert screen.code == 4
    assert screen.colours == set()


def test_many_runs_are_one_line(inside):
    done = inside(*SMALL, "workload.warm_up=1", "workload.repeat=5", "hydra.run.dir=run")
    lines = [line for line in done.out.splitlines() if line.startswith(("warmed up", "executed"))]
    assert len(lines) == 2
    assert lines[1].endswith("s (median of 5)")


def test_of_runs_that_failed_those_before_are_counted(inside):
    fails = "+workload.orchestration=user_programs.third_time:orchestrate"
    config = ("workload=declared_sums", "python_packages=[pipeline,user_programs]", "~workload.tasks", fails)
    done = inside(*USER_CONFIGS, *config, "+workload.warm_up=0", "+workload.repeat=5")
    assert "the third time" in done.err
    assert "(median of 2 of 5)" in done.out
