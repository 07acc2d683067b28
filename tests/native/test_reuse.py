"""pip builds in a new isolated environment each time; a build reuses the objects of the build before."""

import json
import re
import sys

import pybind11

from tests.native.presets import run, with_ninja


def test_the_next_isolated_build_needs_to_compile_nothing_again(tmp_path):
    options = ("-DCALLRING_PYTHON=ON", f"-DPython_EXECUTABLE={sys.executable}")
    found = f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"
    run("cmake", *with_ninja(), "-S", ".", "-B", str(tmp_path), *options, found)
    commands = json.loads((tmp_path / "compile_commands.json").read_text())
    assert len(commands) > 10
    # No command contains this environment's path of pybind11.
    assert [one["command"] for one in commands if pybind11.get_include() in one["command"]] == []
    # No object lies in the folder that scikit-build-core empties for a new environment.
    objects = [re.search(r" -o (\S+)", one["command"])[1] for one in commands]
    assert [path for path in objects if path.startswith("CMakeFiles/")] == []
