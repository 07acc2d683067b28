"""The core and Clang, with which the fuzzers are built."""

import json
import shlex
import shutil
import subprocess

import pytest

from tests.native.presets import run, with_ninja


@pytest.mark.skipif(shutil.which("clang++") is None, reason="clang is not installed")
def test_clang_accepts_the_sources_of_the_core(tmp_path):
    run("cmake", "--preset", "fuzz", "-B", str(tmp_path), *with_ninja())
    entries = json.loads((tmp_path / "compile_commands.json").read_text())
    core = [shlex.split(entry["command"]) for entry in entries if "callring_core.dir" in entry["command"]]
    assert core
    for command in core:
        checked = [*command[: command.index("-o")], "-fsyntax-only", *command[command.index("-o") + 2 :]]
        done = subprocess.run(checked, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
