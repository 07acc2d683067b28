"""Runs the real command, with one store for the test session and a new folder for each test.

``command`` starts a process; ``inside`` runs it in this process, for tests that only check its output and its files.
"""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import app

PROJECT = Path(__file__).resolve().parents[2]
FIXTURES = Path(__file__).resolve().parent / "fixtures"
USER_CONFIGS = ("--config-dir", str(FIXTURES / "conf"))


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    code: int
    out: str
    err: str
    folder: Path
    """The folder in which it ran."""


class Command:
    """``python -m pipeline`` in one folder with one store."""

    def __init__(self, folder, store):
        self.folder = folder
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(FIXTURES), os.environ.get("PYTHONPATH", "")]),
            "CALLRING_STORE": str(store),
        }

    def start(self, *arguments, program=("-m", "pipeline"), **options):
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments):
        with self.start(*arguments) as process:
            out, err = process.communicate()
        return Done(process.returncode, out, err, self.folder)


@pytest.fixture(scope="session")
def session_store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def command(tmp_path, session_store):
    folder = tmp_path / "here"
    folder.mkdir()
    return Command(folder, session_store)


@pytest.fixture
def inside(tmp_path, session_store, monkeypatch):
    """The application in this process: like ``command``, without the start of a process."""
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CALLRING_STORE", str(session_store))
    monkeypatch.setattr(sys, "path", [*sys.path, str(FIXTURES)])

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = app.main(arguments)
        return Done(code, out.getvalue(), err.getvalue(), folder)

    return run


@pytest.fixture
def command_with_own_store(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    return Command(folder, tmp_path / "store")
