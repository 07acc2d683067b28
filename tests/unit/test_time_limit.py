"""A test that hangs is ended and named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import ctypes, subprocess, threading
import pytest

def test_before():
    pass

@pytest.mark.time_limit(0.2)
def test_hangs():
    {hang}

def test_after():
    pass
"""
IN_A_FIXTURE = """
import threading
import pytest

@pytest.fixture
def hangs():
    {before}
    yield
    {after}

@pytest.mark.time_limit(0.2)
def test_it(hangs):
    pass

def test_after():
    pass
"""
HANGS = "threading.Event().wait()"


@pytest.fixture
def run(tmp_path):
    def run(text):
        (tmp_path / "test_it.py").write_text(text)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.time_limit",
            "-p",
            "no:cacheprovider",
            "-q",
            "test_it.py",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("hang", [HANGS, "while True: pass", "subprocess.run(['sleep', '1000'])"])
def test_a_test_that_hangs_fails_with_its_stack_and_the_others_run(run, hang):
    done = run(TESTS.format(hang=hang))
    assert "1 failed, 2 passed" in done.stdout
    assert "took longer than its time limit: 0.2 s" in done.stdout
    assert "in test_hangs" in done.stdout


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_fixture_that_hangs_is_an_error_of_its_test(run, phase):
    text = IN_A_FIXTURE.format(**{"before": "pass", "after": "pass", phase: HANGS})
    done = run(text)
    assert "1 error" in done.stdout
    assert "took longer than its time limit" in done.stdout


def test_a_test_that_handles_no_signal_ends_the_run_with_its_stack(run):
    # The hanging thread holds the interpreter's lock, too.
    lock = "mutex = bytes(64); [ctypes.PyDLL(None).pthread_mutex_lock(mutex) for _ in range(2)]"
    done = run(TESTS.format(hang=lock))
    assert done.returncode == 1
    assert "test_it.py" in done.stderr
    assert "in test_hangs" in done.stderr


def test_every_test_in_cpp_has_a_time_limit():
    for file in (ROOT / "native" / "tests").rglob("CMakeLists.txt"):
        text = file.read_text()
        assert text.count("add_test(") == text.count(" TIMEOUT "), file.relative_to(ROOT)
