"""Messages for a place on disk that a run needs and cannot use: they name its key and say what to set."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from runtime.errors import ConfigurationError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk and of a user's quota."""
UNWRITABLE = (*NO_ROOM, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EIO)
"""Error numbers of a place that cannot be written."""
ROOM = 64 << 20
"""Bytes that a place should have left: built callables and the trace of a large run."""


def run_directory_words(folder: str | os.PathLike[str], error: OSError, *, sweep: bool = False) -> str:
    """The message for a run directory that cannot be made or written."""
    key = "hydra.sweep.dir" if sweep else "hydra.run.dir"
    room = "make room (stage=prune removes old builds), or " if error.errno in NO_ROOM else ""
    return f"{key}={os.fspath(folder)}: cannot be written: {error.strerror}; {room}choose another folder: {key}=FOLDER"


@contextlib.contextmanager
def run_directory_written(folder: Path, *, sweep: bool = False) -> Iterator[None]:
    """While the block writes into a run directory, errors of the disk name the directory and its key.

    Raises:
        ConfigurationError: the directory cannot be written. Python's own error would not name a file: it does so when
            a file is opened, but not when one that is open is written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise ConfigurationError(run_directory_words(shown_path(folder), error, sweep=sweep)) from None


def explain_place(error: OSError, arguments: Sequence[str]) -> str | None:
    """The message for a folder that Hydra could not make before the run began; None if the error is another one.

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
    if error.errno not in NO_ROOM and not unusable(place):  # a quota is not seen there
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
