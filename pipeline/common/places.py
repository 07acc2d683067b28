"""What to tell the user of a place on disk that a run needs and cannot use: the key that names it and what to set."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOM = 64 << 20
"""Bytes that a place should have left: built callables and the trace of a large run."""


def run_directory_words(folder: str | os.PathLike[str], error: OSError, *, sweep: bool = False) -> str:
    """Of a run directory that cannot be made or written."""
    key = "hydra.sweep.dir" if sweep else "hydra.run.dir"
    return f"{key}={os.fspath(folder)}: cannot be written: {error.strerror}; choose another folder: {key}=FOLDER"


def explain_place(error: OSError, arguments: Sequence[str]) -> str | None:
    """What Hydra could not make, before the run began; None if the error is about something else.

    Args:
        error: as it was raised.
        arguments: the command line.
    """
    try:
        here = Path.cwd()
    except OSError:
        return "the working directory is not there any more; cd to one that is"
    if error.filename is None or not isinstance(error.filename, (str, os.PathLike)):
        return None
    sweep = any(argument in ("-m", "--multirun") for argument in arguments)
    place = Path(error.filename)
    if not unusable(place):
        return None
    return run_directory_words(place.relative_to(here) if place.is_relative_to(here) else place, error, sweep=sweep)


def unusable(folder: Path) -> str:
    """Why a folder, or one that is to be made there, cannot be written; empty if it can."""
    try:
        existing = folder
        while not existing.exists():
            if existing == existing.parent:
                break
            existing = existing.parent
        if not existing.is_dir():
            return f"{existing} is no folder"
        with tempfile.TemporaryFile(dir=existing):
            pass
        facts = os.statvfs(existing)
    except OSError as error:
        return str(error.strerror)
    left = facts.f_bavail * facts.f_frsize
    return f"{left >> 20} MiB are left" if left < ROOM else ""


def shown_path(path: Path) -> str:
    """A path as short as it can be for people: relative to the current folder if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
