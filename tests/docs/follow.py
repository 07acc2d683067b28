"""Follows a page as a user would: writes its files, runs its commands, and compares its samples or updates them.

``python -m tests.docs.follow PAGE...`` replaces the samples of each page by the current output of its commands.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from difflib import SequenceMatcher
from pathlib import Path

from tests.docs.blocks import blocks, same_shape

SLOW = "CALLRING_SLOW_DOCS"
_LANGUAGES = {"sh", "python", "text", "yaml", "cpp", "toml", "json", "console", "c", "py", "pycon"}
"""The languages of blocks. Only ``sh`` and ``python`` are run, and ``text`` is compared."""


def main(pages):
    """Updates the samples of ``pages``."""
    with own_folder("callring-follow") as folder:
        for number, page in enumerate(pages):
            home = folder / str(number)
            home.mkdir()
            follow(Path(page), home, as_a_user(folder / "store"), rewritten(Path(page)))


@contextlib.contextmanager
def own_folder(name):
    """A folder for the files of a command of these modules. It is removed when the process ends, even by SIGTERM.

    The folder of a killed process is removed when the next process begins.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{name}-*-*"):
        process = left.name.removeprefix(f"{name}-").partition("-")[0]
        if process.isdigit() and not Path("/proc", process).exists():
            shutil.rmtree(left, ignore_errors=True)
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix=f"{name}-{os.getpid()}-") as folder:
            yield Path(folder)
    finally:
        signal.signal(signal.SIGTERM, before)


def as_a_user(store):
    """The environment variables of a shell in which this virtual environment is active, with a program that exits at
    once as the browser."""
    here = str(Path(sys.executable).parent)
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PATH": os.pathsep.join([here, os.environ["PATH"]]),
        "CALLRING_STORE": str(store),
        "COLUMNS": "200",
        "BROWSER": "true",
    }


def follow(page, folder, environment, compare):
    """Follows ``page`` from its top to its end in ``folder``.

    Args:
        compare: called for each sample with its block and the output of the commands before it.
    """
    printed = None
    for block in blocks(page):
        if block.language.startswith("{"):
            continue  # a directive of Sphinx
        assert block.language in _LANGUAGES, f"line {block.line}: a block of {block.language!r}"
        if block.not_run or (block.slow and SLOW not in os.environ):
            printed = None
        elif block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language in {"sh", "python"}:
            printed = run_block(block, folder, environment)
        elif block.language == "text" and printed is not None:
            compare(block, printed)


def run_block(block, folder, environment):
    """The output of a block; fails unless the block ended with the expected exit code."""
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
        check=False,
    )
    assert done.returncode in block.exits, f"line {block.line}:\n{block.text}\n{done.stdout}"
    return done.stdout


def shape(line):
    """A line without the parts that differ between runs; its indentation counts."""
    return " " * (len(line) - len(line.lstrip(" "))) + same_shape(line)


def rewritten(page):
    """For follow(): replaces each sample of ``page`` by the current output."""

    def write(block, printed):
        today = [line.rstrip() for line in printed.splitlines()]
        lines = [line if line.strip() == "..." else _nearest(line, today) for line in block.text.splitlines()]
        text = page.read_text()
        assert text.count(f"```text\n{block.text}```") >= 1
        page.write_text(text.replace(f"```text\n{block.text}```", "```text\n" + "\n".join(lines) + "\n```", 1))

    return write


def _nearest(line, printed):
    """The printed line of the same shape that is most similar to ``line``."""
    alike = [other for other in printed if same_shape(other) == same_shape(line)]
    return max(alike, key=lambda other: SequenceMatcher(None, line.split(), other.split()).ratio())


if __name__ == "__main__":
    main(sys.argv[1:])
