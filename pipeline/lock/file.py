"""The lock file on disk: its place, and reading and changing it while other runs do the same."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.common.files import write_atomically
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.lock.document import Callables, LockDocument

DEFAULT_NAME = "callables.lock.yaml"


class Content(NamedTuple):
    """The content of a lock file at one instant."""

    document: LockDocument
    sha256: str
    """The SHA-256 of the file's bytes, in hex."""


class LockFile(NamedTuple):
    """A lock file, which may not exist yet."""

    path: Path
    name: str
    """Its name in messages and results, without the machine's folders."""

    def read(self) -> Content | None:
        """Reads the file; None if there is none. Raises ConfigurationError, which names it."""
        from pipeline.lock.document import parse_lock

        try:
            content = self.path.read_bytes()
            return Content(parse_lock(content.decode()), _sha256(content))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"{self.name}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{self.name}: not UTF-8 at byte {error.start}") from None
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.name}: {error.args[0]}") from None

    def update(self, workload: str, target: str, callables: Callables) -> tuple[Content, bool]:
        """Replaces the callables of one workload on one target. Returns the new content, and whether it changed.

        Other entries stay, also those that another run writes at the same time. An invalid file is not changed.

        Raises:
            ConfigurationError: the file is invalid or cannot be written.
        """
        from pipeline.lock.document import LockDocument, lock_text

        with self._alone():
            before = self.read()
            document = (before.document if before else LockDocument()).with_callables(workload, target, callables)
            if before is not None and before.document == document:
                return before, False
            content = lock_text(document).encode()
            write_atomically(self.path, content, durable=True)
            return Content(document, _sha256(content)), True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Locks the folder against other writers. The file itself is replaced, so it cannot carry the lock."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                yield
            finally:
                os.close(folder)
        except FileNotFoundError:
            raise ConfigurationError(f"{self.name}: its folder does not exist") from None
        except OSError as error:
            raise ConfigurationError(f"{self.name}: cannot be written: {error.strerror}") from None


def choose_lock_file(configured: str, user_folders: Sequence[Path], start: Path) -> LockFile:
    """The lock file of a run.

    Args:
        configured: ``lock_file``; empty: ``callables.lock.yaml`` in the first of the user's folders, else in ``start``.
        user_folders: the user's config folders, ``--config-dir`` first.
        start: the folder in which the command started; relative paths are relative to it.
    """
    relative = Path(configured).expanduser() if configured else (user_folders or [start])[0] / DEFAULT_NAME
    place = Path(os.path.abspath(start / relative))  # noqa: PTH100 - the name must not follow symbolic links
    name = str(place.relative_to(start)) if place.is_relative_to(start) else place.name
    return LockFile(place.resolve(), name)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
