"""The message if no machine can be made, and the lines that are run if one can."""

import re
import sys
from pathlib import Path

import pytest

from tests.fresh import __main__ as fresh
from tests.fresh import machine
from tests.fresh.readme import lines


def test_the_reason_is_printed_if_no_machine_can_be_made(monkeypatch, capsys):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["fresh", "sid"])
    assert fresh.main() == 0
    assert capsys.readouterr().out == "SKIPPED fresh sid: needs root, to make a Debian system of its own\n"


def test_a_missing_program_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    assert "apt-get install debootstrap" in machine.reason_not_to()


@pytest.mark.parametrize("package", ["g++", "python3-dev", "python3-venv"])
def test_both_lines_install_the_packages_of_the_build(package):
    first, second = lines()
    assert all(package in line.partition("&& python3 -m venv")[0].split() for line in (first, second))
    assert first.endswith("python -m pipeline +topology=chip8")
    assert second.endswith("python -m pytest -n 2 --dist worksteal")


def test_pages_give_pip_no_option_that_the_oldest_pip_lacks():
    # Debian bookworm has pip 23.0; -C, the short form of --config-settings, came with 23.1.
    root = Path(__file__).resolve().parents[2]
    pages = [root / "README.md", *(root / ".github").glob("*.md"), *(root / "docs").rglob("*.md")]
    assert [page.name for page in pages if re.search(r" -C cmake|`-C ", page.read_text())] == []
