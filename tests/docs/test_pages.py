"""What the documentation says works: every page is followed from its top to its end, in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, blocks, pages, same_shape

_LANGUAGES = {"sh", "python", "text", "yaml", "cpp", "toml", "json", "console"}
_SLOW = "CALLRING_SLOW_DOCS"


def names(page):
    return page.relative_to(DOCS).with_suffix("").as_posix()


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def environment(store):
    """As of a user who has activated the environment."""
    here = str(Path(sys.executable).parent)
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PATH": os.pathsep.join([here, os.environ["PATH"]]),
        "CALLRING_STORE": str(store),
        "COLUMNS": "200",
    }


def run_block(block, folder, environment):
    """What a block printed; fails unless it ended as it says."""
    script = folder / "example.py"
    if block.language == "python":
        script.write_text(block.text)
        command = [sys.executable, str(script)]
    else:
        command = ["bash", "-euo", "pipefail", "-c", block.text]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200 if block.slow else 300,
        check=False,
    )
    assert done.returncode in block.exits, f"line {block.line}:\n{block.text}\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("page", [pytest.param(page, id=names(page)) for page in pages()])
def test_following_a_page_gives_what_it_says(page, tmp_path, environment):
    printed = None
    for block in blocks(page):
        if block.language.startswith("{"):
            continue  # a directive of Sphinx
        assert block.language in _LANGUAGES, f"line {block.line}: a block of {block.language!r}"
        if block.not_run or (block.slow and _SLOW not in os.environ):
            printed = None
        elif block.file:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language in {"sh", "python"}:
            printed = run_block(block, tmp_path, environment)
        elif block.language == "text" and printed is not None:
            lines = {same_shape(line) for line in printed.splitlines()}
            for line in block.text.splitlines():
                assert line.strip() == "..." or same_shape(line) in lines, f"line {block.line}: {line!r} in\n{printed}"
