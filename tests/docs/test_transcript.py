"""docs/tried.md, a recorded output of the tutorial, agrees with the current output."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docs.blocks import DOCS, blocks, same_shape
from tests.docs.follow import own_folder
from tests.docs.transcript import follow

_PROJECT = DOCS.parent
_STAYS = """
import signal
from tests.docs.follow import own_folder
with own_folder("callring-stays") as folder:
    print(folder, flush=True)
    signal.pause()
"""


def shapes(page):
    """The sessions of a page, without figures and without the parts that depend on a comparison's figures."""
    for block in blocks(page):
        if block.language == "console":
            fixed = block.text.partition("\ncompared ")[0]
            yield [same_shape(line) for line in fixed.splitlines()]


def test_the_transcript_agrees_with_the_output_of_the_tutorial(tmp_path):
    home = tmp_path / "here"
    home.mkdir()
    page = tmp_path / "tried.md"
    page.write_text("\n".join(follow(home, tmp_path / "store", [])))
    assert list(shapes(DOCS / "tried.md")) == list(shapes(page)), "python -m tests.docs.transcript rewrites it"


def left_by(number, folder):
    """Ends a process by this signal. Returns its folder and its exit code."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = [sys.executable, "-c", _STAYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=_PROJECT) as process:
        made = Path(process.stdout.readline().strip())
        assert made.is_dir()
        process.send_signal(number)
    return made, process.returncode


def test_the_folder_of_a_transcript_is_removed_at_its_end_or_by_the_next_one(tmp_path, monkeypatch):
    asked, code = left_by(signal.SIGTERM, tmp_path)
    assert (asked.exists(), code) == (False, 128 + signal.SIGTERM)
    killed, _ = left_by(signal.SIGKILL, tmp_path)
    assert killed.exists()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with own_folder("callring-stays") as mine, own_folder("callring-stays"):
        assert mine.is_dir()
        assert not killed.exists()
