"""The files and folders that the pages for contributors name exist, and the pages describe them correctly."""

import re

import pytest
import yaml

from tests.docs.blocks import DOCS, pages
from tests.docs.diagrams import PICTURES, drawn, sources

ROOT = DOCS.parent
NATIVE = ROOT / "native"
_PATH = re.compile(r"`((?:native|runtime|pipeline|tests|conf|docs)/[\w./-]+)`")
_OF_A_PROJECT = {"conf/callring.yaml"}
"""Folders of a user's project, not of this repository."""
_INCLUDE = re.compile(r'^#include "(\w+)/', flags=re.MULTILINE)


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in pages()])
def test_every_file_that_a_page_names_is_there(page):
    named = set(_PATH.findall(page.read_text())) - _OF_A_PROJECT
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_that_code_names_is_there():
    missing = []
    for top in ("native", "runtime", "pipeline", "conf", "tests"):
        for path in (ROOT / top).rglob("*"):
            if path.suffix not in (".h", ".cpp", ".py", ".yaml") or path.is_dir():
                continue
            for page in re.findall(r"\b[\w/-]+\.md\b", path.read_text()):
                counts = top != "tests" or page.startswith("docs/")  # tests make up or compose the other names
                if counts and not any((place / page).exists() for place in (ROOT, path.parent, path.parents[1])):
                    missing.append((path.relative_to(ROOT).as_posix(), page))
    assert missing == []


def test_the_table_of_folders_has_the_includes_of_each_folder_of_the_core():
    folders = [path for path in NATIVE.iterdir() if path.is_dir() and path.name not in ("include", "tests")]
    found = {folder.name: _included_by(folder) for folder in folders}
    assert _table_of_folders() == found


def test_each_folder_of_the_core_includes_only_folders_above_it():
    above = {"callring"}
    for folder, includes in _table_of_folders().items():
        assert includes <= above, folder
        above.add(folder)


def _table_of_folders():
    """The includes of each folder according to the page, from the lowest folder up."""
    page = (DOCS / "explanation" / "architecture.md").read_text()
    table = page.partition("## The folders of the core")[2]
    rows = re.findall(r"^\| `(\w+)/` \| [^|]+ \| ([^|]*)\|$", table, flags=re.MULTILINE)
    return {folder: set(re.findall(r"`(\w+)`", includes)) for folder, includes in rows}


def test_the_picture_of_folders_has_an_arrow_for_each_include_that_does_not_follow_from_others():
    picture = yaml.safe_load((PICTURES / "sources" / "folders-of-the-core.yaml").read_text())
    arrows = {tuple(end.partition(".")[0] for end in (arrow["from"], arrow["to"])) for arrow in picture["arrows"]}
    folders = [path for path in NATIVE.iterdir() if path.is_dir() and path.name not in ("include", "tests")]
    includes = {folder.name: _included_by(folder) - {"callring"} for folder in folders}
    below = {name: _reached(name, includes) for name in includes}
    direct = {(name, to) for name, tos in includes.items() for to in tos if not any(to in below[via] for via in tos)}
    assert arrows == direct


def _reached(name, includes):
    return includes[name].union(*(_reached(to, includes) for to in includes[name]))


def _included_by(folder):
    sources = [path for path in folder.rglob("*") if path.suffix in (".h", ".cpp")]
    return {name for path in sources for name in _INCLUDE.findall(path.read_text())} - {folder.name}


@pytest.mark.parametrize(
    ("header", "enumeration", "title", "picture"),
    [
        ("task/task.h", "TaskState", "States of a task", "states-of-a-task"),
        ("children/child.h", "ChildState", "States of a child", "states-of-a-child"),
    ],
)
def test_the_states_of_the_page_and_its_picture_are_those_of_the_core(header, enumeration, title, picture):
    found = re.search(rf"enum class {enumeration} : \S+ {{([^}}]+)}}", (NATIVE / header).read_text())
    states = re.findall(r"\w+", found[1])
    page = (DOCS / "explanation" / "the-core.md").read_text()
    section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == states
    drawn_states = yaml.safe_load((PICTURES / "sources" / f"{picture}.yaml").read_text())["boxes"]
    assert set(states) <= set(drawn_states)


def test_the_life_of_a_frame_has_the_numbers_of_the_core():
    claims = re.findall(r"(\w+) = (\d)", (NATIVE / "lane" / "claim.h").read_text())
    boxes = yaml.safe_load((PICTURES / "sources" / "life-of-a-frame.yaml").read_text())["boxes"]
    assert {name for name, _ in claims} == {"published", "claimed", "revoked"}
    assert all(f"({number})" in boxes[name]["text"] for name, number in claims)


@pytest.mark.parametrize("source", [pytest.param(source, id=source.stem) for source in sources()])
def test_a_picture_is_drawn_from_its_source(source):
    picture = PICTURES / f"{source.stem}.svg"
    assert picture.read_text() == drawn(source), "python -m tests.docs.diagrams redraws it"
