"""Messages for a folder that a run needs and cannot use: with its key and what to set."""

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
"""Error numbers of a folder that cannot be written."""
ROOM = 64 << 20
"""Free bytes that a folder should have, for built callables and the trace of a large run."""


def run_directory_words(folder: str | os.PathLike[str], error: OSError, *, sweep: bool = False) -> str:
    """The message for a run directory that cannot be created or written."""
    key = "hydra.sweep.dir" if sweep else "hydra.run.dir"
    room = "make room (stage=prune removes old builds), or " if error.errno in NO_ROOM else ""
    return f"{key}={os.fspath(folder)}: cannot be written: {error.strerror}; {room}choose another folder: {key}=FOLDER"


@contextlib.contextmanager
def run_directory_written(folder: Path, *, sweep: bool = False) -> Iterator[None]:
    """Lets errors of the disk name the run directory and its key, while the block writes into it.

    Raises:
        ConfigurationError: the directory cannot be written. Python's own error names the file only if opening it
            fails, not if a write fails.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise ConfigurationError(run_directory_words(shown_path(folder), error, sweep=sweep)) from None


def explain_place(error: OSError, arguments: Sequence[str]) -> str | None:
    """The message for a folder that Hydra could not create before the run began; None for any other error.

    Args:
        error: the raised error.
        arguments: the command line.
    """
    try:
        here = Path.cwd()
    except OSError:
        return "the working directory no longer exists; cd to an existing one"
    if error.filename is None or not isinstance(error.filename, (str, os.PathLike)):
        return None
    sweep = any(argument in ("-m", "--multirun") for argument in arguments)
    place = Path(error.filename)
    if error.errno not in NO_ROOM and not unusable(place):  # unusable() does not notice a quota
        return None
    return run_directory_words(place.relative_to(here) if place.is_relative_to(here) else place, error, sweep=sweep)


def unusable(folder: Path) -> str:
    """Why a folder cannot be written or created; empty if it can."""
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
    """A short form of a path for people: relative if it is below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
