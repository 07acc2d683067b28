"""Every wrong configuration in wrong_configurations.yaml has the exit code and the message that the file gives."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from .conftest import FIXTURES

CASES = yaml.safe_load(Path(__file__).with_name("wrong_configurations.yaml").read_text())


@pytest.fixture
def mistaken_files(inside, tmp_path):
    """Wrong files that some of the configurations name."""
    folder = tmp_path / "inside"
    np.save(folder / "short.npy", np.zeros(3, np.float32))
    np.savez(folder / "two.npz", a=np.zeros(1), b=np.zeros(1))
    (folder / "text.npy").write_text("text")
    (folder / "file").write_text("")


def matches(says, text):
    pattern = ".*".join(map(re.escape, says.split("...")))
    return re.fullmatch(rf"(.*: )?error: {pattern}\n", text, re.DOTALL)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
@pytest.mark.usefixtures("mistaken_files")
def test_a_wrong_configuration_has_its_message_and_exit_code(inside, case):
    if "without" in case and importlib.util.find_spec(case["without"]):
        pytest.skip(f"{case['without']} is installed")
    done = inside(*(argument.replace("{configs}", str(FIXTURES / "conf")) for argument in case["run"]))
    assert done.code == case["code"]
    said = done.err if "usage: " not in done.err else done.err[done.err.rindex("\n", 0, -1) + 1 :]
    assert matches(case["says"], said), repr(said)
    assert "Traceback" not in done.err + done.out
    # Other points of the sweep may succeed.
    assert "started" not in done.out or "-m" in case["run"]


def test_there_are_at_least_fifty_cases_and_none_twice():
    assert len({str(case["run"]) for case in CASES}) == len(CASES) >= 50
