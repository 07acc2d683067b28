"""A new project: ``callring new``, plain ``callring`` in it, ``callring show`` and ``callring open``."""

import json
import os
import subprocess
import sys

import pytest

from pipeline import app
from pipeline.project.commands import main as project
from pipeline.project.here import within_project
from runtime.errors import ConfigurationError
from tests.pipeline.conftest import Command

FILES = [
    ".gitignore",
    "conf/callable/halves.yaml",
    "conf/callring.yaml",
    "conf/workload/halves.yaml",
    "golden.py",
    "halves.cpp",
    "test_halves.py",
]


@pytest.fixture
def halves(tmp_path, session_store, monkeypatch):
    """A project named halves; commands run in its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLRING_STORE", str(session_store))
    assert project(["new", "halves"]) == 0
    monkeypatch.chdir("halves")
    yield tmp_path / "halves"
    sys.modules.pop("golden", None)  # the next project has its own module


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_a_new_project_has_its_files_and_describes_each(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert project(["new", "halves"]) == 0
    folder = tmp_path / "halves"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == FILES
    out = capsys.readouterr().out
    assert [file for file in FILES if f"halves/{file} " not in out] == []
    assert out.endswith("cd halves && callring\n")


def test_plain_callring_in_a_project_builds_runs_and_verifies_its_kernel(halves, session_store):
    done = Command(halves, session_store)("hydra.run.dir=first")
    assert done.code == 0, done.err
    assert "verified    out: 1,000,000 elements agree" in done.out
    found = result(halves / "first")
    assert (found["workload"], found["status"], found["verification"]["passed"]) == ("halves", "ok", True)


def test_the_test_of_a_new_project_passes_and_fails_with_another_kernel(halves):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "chip4", str(halves)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    kernel = halves / "halves.cpp"
    kernel.write_text(kernel.read_text().replace("+ right[i]", "- right[i]"))
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1


def test_a_project_takes_the_usual_command_line(halves):
    assert app.main(["+topology=chip2", "workload.sizes.size=100", "hydra.run.dir=two", "output=quiet"]) == 0
    assert result(halves / "two")["topology"] == "chip2"
    assert app.main(["stage=build", "lock=write", "output=quiet"]) == 0
    assert (halves / "conf" / "callables.lock.yaml").is_file()


@pytest.mark.parametrize(
    "chosen", [["--config-name=config"], ["-cn", "config"], ["--config-dir", "conf"], ["-cd=conf"]]
)
def test_a_command_that_chooses_its_configs_is_not_changed(halves, chosen):
    assert within_project([*chosen, "stage=plan"], halves) == [*chosen, "stage=plan"]


def test_the_project_of_another_user_is_not_run(halves, monkeypatch, capsys):
    primary = halves / "conf" / "callring.yaml"
    owner = primary.stat().st_uid
    if owner == 0:
        os.chown(primary, 12345, 12345)
    else:
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        within_project([], halves)
    assert app.main(["stage=describe"]) == 1
    assert "--config-name=callring" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Halves", "a name begins with a small letter"),
        ("two-halves", "a name begins with a small letter"),
        ("matmul", "Callring has a workload of this name"),
        ("vector_add_unrolled", "Callring has a callable of this name"),
        ("full", "this folder is not empty"),
        ("a_file", "File exists"),
    ],
)
def test_an_invalid_project_is_refused_and_nothing_is_written(tmp_path, monkeypatch, capsys, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    (tmp_path / "a_file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert project(["new", name]) == 1
    assert words in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture(scope="module")
def runs(tmp_path_factory, session_store):
    """A project after a run, one on more chips, one with a wrong kernel, and a sweep."""
    folder = tmp_path_factory.mktemp("project")
    Command(folder, session_store)("new", "halves")
    command = Command(folder / "halves", session_store)
    kernel = command.folder / "halves.cpp"
    right = kernel.read_text()
    small = ("workload.sizes.size=1000", "workload.repeat=10", "output=quiet")
    assert command(*small, "hydra.run.dir=one").code == 0
    assert command(*small, "+topology=chip2", "hydra.run.dir=two").code == 0
    assert command(*small, "hydra.run.dir=three").code == 0
    kernel.write_text(right.replace("+ right[i]", "- right[i]"))
    assert command(*small, "hydra.run.dir=wrong").code == 4
    kernel.write_text(right)
    assert command("-m", *small, "+topology=chip1,chip2", "hydra.sweep.dir=swept").code == 0
    return command.folder


@pytest.fixture
def with_runs(runs, monkeypatch):
    monkeypatch.chdir(runs)
    return runs


def test_show_lists_runs_and_sweeps_the_newest_first(with_runs, capsys):
    assert project(["show"]) == 0
    titles, *rows = capsys.readouterr().out.splitlines()
    assert titles.split() == ["run", "date", "workload", "topology", "verdict", "hash", "median"]
    assert [row.split()[0] for row in rows] == ["swept", "wrong", "three", "two", "one"]
    hashids = [result(with_runs / run)["callables"][0]["hashid"][7:15] for run in ("wrong", "two")]
    said = (
        ("2 topologies", "2 verified"),
        (" failed ", hashids[0]),
        (hashids[1],),
        (" chip2 ", " verified ", hashids[1]),
    )
    assert [word for row, words in zip(rows, said, strict=False) for word in words if word not in row] == []


def test_show_compares_two_runs_and_two_sweeps_by_name(with_runs, capsys):
    assert project(["show", "one", "two"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("compared ")
    assert "different   topology.chips: 1 before, 2 now" in out
    assert project(["show", "swept", "swept"]) == 0
    assert capsys.readouterr().out.count("no significant difference") == 2


def test_show_has_the_summary_of_one_run(with_runs, capsys):
    assert project(["show", "tw"]) == 0
    out = capsys.readouterr().out
    assert "ok          halves on chip2" in out
    assert out.endswith("report      two/report.html\n")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["threes"], "'threes': no run with this name below this folder; did you mean three?"),
        (["e"], "'e': 3 runs have this in their names"),
        (["one", "two", "three"], "3 runs; two can be compared"),
        (["wrong", "one"], "show wrong: no run there succeeded with measurements"),
    ],
)
def test_a_name_without_a_run_is_an_error_with_the_reason(with_runs, capsys, names, words):
    assert project(["show", *names]) == 1
    assert words in capsys.readouterr().err


def test_open_shows_the_last_page_or_a_named_one_in_the_browser(with_runs, tmp_path, monkeypatch, capsys):
    told = tmp_path / "told"
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho $1 >> {told}\n")
    browser.chmod(0o755)
    environment = {**os.environ, "BROWSER": f"{browser} %s"}
    for words, page in (([], "swept/sweep.html"), (["two"], "two/report.html")):
        command = [sys.executable, "-m", "pipeline", "open", *words]
        done = subprocess.run(command, cwd=with_runs, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, f"report      {page}\n"), done.stderr
    assert told.read_text().splitlines() == [
        (with_runs / page).as_uri() for page in ("swept/sweep.html", "two/report.html")
    ]


def test_show_and_open_report_that_there_are_no_runs(halves, capsys):
    capsys.readouterr()
    assert project(["show"]) == 0
    assert "no runs below this folder yet" in capsys.readouterr().out
    assert project(["open"]) == 1
    assert "no run below this folder has a report" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "code"), [(["new"], 1), (["show", "--evrything"], 1), (["open", "--help"], 0)])
def test_a_wrong_use_of_a_command_ends_like_a_wrong_configuration(words, code, capsys):
    assert project(words) == code


def test_the_error_of_a_misspelt_command_names_the_nearest_one(command):
    done = command("shows")
    assert (done.code, done.err) == (1, "error: shows: no such command; did you mean show?\n")


def test_help_in_a_project_lists_its_options_and_no_run_directories(halves, session_store):
    command = Command(halves, session_store)
    assert command("stage=describe", "hydra.run.dir=left").code == 0
    groups = command("--help").out.partition("Groups and their options")[2]
    assert "workload: halves, " in groups
    assert ".hydra" not in groups
