"""Outcomes that a campaign keeps in a file."""

from pathlib import Path

import pytest

from tests.faults.control import NOTHING, Fault
from tests.faults.kept import Kept, read
from tests.faults.trial import Outcome

FAULT = Fault("parent", "mmap", 12, 3)


@pytest.fixture
def core(tmp_path, monkeypatch):
    """A core, as far as outcomes depend on it: its bytes."""
    file = tmp_path / "core" / "_core.so"
    file.parent.mkdir()
    file.write_bytes(b"one")
    monkeypatch.setenv("CALLRING_CORE_DIR", str(file.parent))
    return file


def keep(path: Path, *outcomes: Outcome) -> None:
    kept = Kept(path)
    for outcome in outcomes:
        kept.add(outcome)


def test_kept_outcomes_are_found_again_with_all_that_the_page_needs(core, tmp_path):
    path = tmp_path / "outcomes"
    fault = Outcome("start", FAULT, hits=1, errors=["start: full"], sites=[("mmap", "memory/pool.cpp", 7)])
    nothing = Outcome("start", NOTHING, uses={"parent": {"mmap": 3}})
    keep(path, fault)
    keep(path, nothing)
    kept = Kept(path)
    assert (kept.find("start", FAULT), kept.find("start", NOTHING)) == (fault, nothing)
    assert kept.find("chips", FAULT) is None
    assert kept.find("start", FAULT._replace(first=4)) is None


def test_outcomes_of_another_core_are_not_used(core, tmp_path):
    path = tmp_path / "outcomes"
    keep(path, Outcome("start", FAULT, hits=1))
    core.write_bytes(b"two")
    assert Kept(path).find("start", FAULT) is None
    assert read(path) == [Outcome("start", FAULT, hits=1)]


def test_a_line_that_was_not_written_to_its_end_is_passed_over(core, tmp_path):
    path = tmp_path / "outcomes"
    keep(path, Outcome("start", FAULT, hits=1), Outcome("chips", FAULT, hits=1))
    path.write_text(path.read_text()[:-20])
    keep(path, Outcome("nodes", FAULT, hits=1))
    kept = Kept(path)
    assert [name for name in ("start", "chips", "nodes") if kept.find(name, FAULT)] == ["start", "nodes"]


def test_without_a_file_nothing_is_kept(core):
    kept = Kept(None)
    kept.add(Outcome("start", FAULT))
    assert kept.find("start", FAULT) is None
