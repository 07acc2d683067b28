"""The store: builds, each under the hash of all its inputs.

An entry is a folder that is filled under a temporary name and then renamed, so that it is complete or absent, even if
runs are killed or share the store. Each file's digest is recorded and checked on use; a damaged entry is replaced. A
run that builds a key holds a lock on the folder that it fills: other runs wait for it instead of building it too, and
a folder without a lock was left by a dead run. The locks are kernel locks, which end with their process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.files import write_atomically
from pipeline.common.places import NO_ROOM, UNWRITABLE
from runtime.errors import CompileError, ConfigurationError

KINDS = ("callables", "cores")
"""The kinds of entries; each has a folder."""
_PRIVATE = 0o700
_TOO_LITTLE = 1 << 20
"""Free bytes below which a failed build counts as failed for lack of room."""
_MANIFEST = "manifest.json"
_ORIGIN = "origin.json"
_BUILDING = ".building-"
_DISCARDED = ".discarded-"
_NOTE = ".note"
_FORGOTTEN_AFTER = 3600.0
"""Age in seconds from which an unfinished note counts as left by a dead run; writing one takes milliseconds."""
_discards = itertools.count()


class Entry(NamedTuple):
    """One entry, for prune and doctor."""

    kind: str
    key: str
    size: int
    """Bytes of its files."""
    used: float
    """When a run last used it, in seconds since the epoch."""
    origin: Mapping[str, Any]
    """Its inputs; empty if they were not recorded."""


_CHOOSE = "choose another with store.path=FOLDER or CALLRING_STORE"


def default_store() -> Path:
    """``$CALLRING_STORE``, else ``~/.cache/callring``. Raises ConfigurationError if no home is known."""
    return chosen_store("")


def chosen_store(path: str) -> Path:
    """The store's folder: ``store.path``, or if that is empty, the environment's.

    Raises:
        ConfigurationError: it is a file, or no home directory is known.
    """
    try:
        given = Path(path or os.environ.get("CALLRING_STORE") or Path.home() / ".cache" / "callring")
        folder = given.expanduser().resolve()
    except RuntimeError:  # raised by pathlib: HOME is not set, and the user is not in the password database
        raise ConfigurationError(f"store.path={path!r}: no home directory is known, set HOME; or {_CHOOSE}") from None
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"store.path={path!r}: {folder.name} is a file; the store is a folder")
    return folder


def digest_of(*parts: str | bytes) -> str:
    """A key: the hex SHA-256 of the parts, each with its length, so that different lists have different keys."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()


class Store:
    """Entries of one kind.

    Args:
        root: the store's folder; created with the first entry.
        kind: for instance ``"callables"``.
        read_only: notes are read, but not written.
    """

    def __init__(self, root: Path, kind: str, *, read_only: bool = False) -> None:
        self._read_only = read_only
        self._root = root
        self._folder = root / kind
        self._kind = kind
        self._swept = False

    def find(self, key: str) -> Path | None:
        """The entry of a key, if it exists and is not damaged."""
        entry = self._folder / key
        try:
            recorded = json.loads((entry / _MANIFEST).read_text())["files"]
            paths = {entry / name: digest for name, digest in recorded.items()}
            # Files of another user would be executed as this user.
            if all(map(_is_ours, (self._folder.resolve(), entry, *paths))) and all(
                _file_digest(path) == digest for path, digest in paths.items()
            ):
                return entry
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return None

    def is_damaged(self, key: str) -> bool:
        """Whether the key has an entry that must not be used."""
        return (self._folder / key).exists() and self.find(key) is None

    def mark_used(self, key: str) -> None:
        """Records that an entry is used today; see prune."""
        with contextlib.suppress(OSError):
            os.utime(self._folder / key / _MANIFEST)

    @contextlib.contextmanager
    def hold(self, key: str) -> Iterator[Path | None]:
        """Keeps an entry from being pruned while the block runs; None if it does not exist or is damaged."""
        with _locked(self._folder / key, fcntl.LOCK_SH) as held:
            yield self.find(key) if held else None

    def put(self, key: str, write: Callable[[Path], None], origin: Mapping[str, Any] | None = None) -> Path:
        """Makes an entry: ``write`` fills a new folder, which is then renamed. Returns the entry's folder.

        If another run makes the same entry, waits for it: equal keys mean equal content.

        Args:
            key: hash of all inputs of the entry.
            write: fills the folder of its argument.
            origin: the inputs, in JSON's types: kept with the entry, for people.

        Raises:
            ConfigurationError: the store cannot be written; no part of the entry is left.
            Also every error of ``write``.
        """
        try:
            return self._put(key, write, origin)
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            raise _unwritable(self._root, error) from None

    def _put(self, key: str, write: Callable[[Path], None], origin: Mapping[str, Any] | None) -> Path:
        self._make_folder()
        if not self._swept:
            self._swept = True
            self.sweep()
        entry = self._folder / key
        while True:
            if self.find(key) is not None:
                return entry
            with self._building(key) as folder:
                if folder is None or self.find(key) is not None:
                    continue
                _write_with_room(write, folder)
                if origin is not None:
                    (folder / _ORIGIN).write_text(json.dumps(origin, indent=1, sort_keys=True))
                files = sorted(path for path in folder.rglob("*") if path.is_file())
                recorded = {str(path.relative_to(folder)): _file_digest(path) for path in files}
                (folder / _MANIFEST).write_text(json.dumps({"files": recorded}, indent=1))
                self._take_place(folder, entry)
                return entry

    def _make_folder(self) -> None:
        """Creates the folder of this kind, and the store: their files are executed, so no other user may write them."""
        self._root.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self._root, self._folder):
            folder.mkdir(mode=_PRIVATE, exist_ok=True)
        facts = self._folder.stat()
        if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) != _PRIVATE:
            self._folder.chmod(_PRIVATE)

    @contextlib.contextmanager
    def _building(self, key: str) -> Iterator[Path | None]:
        """An empty folder to fill, locked by this run; None if another run filled it: then look for the entry again."""
        folder = self._folder / f"{_BUILDING}{key}"
        with contextlib.suppress(FileExistsError):  # another run created it, and may remove it at any time
            folder.mkdir()
        with _locked(folder, fcntl.LOCK_EX) as held:
            if not held:
                yield None
                return
            try:
                _empty(folder)  # removes files of a dead run
                yield folder
            finally:
                # After renaming, the folder is the entry; a folder of the old name then belongs to another run.
                if held.still_at(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def _take_place(self, folder: Path, entry: Path) -> None:
        while True:
            try:
                folder.rename(entry)
            except OSError:
                if not entry.exists():
                    raise
                self._discard(entry)  # it is damaged; otherwise it would have been found
            else:
                return

    def _discard(self, entry: Path) -> None:
        """Removes an entry in one step: it is never incomplete."""
        aside = self._folder / f"{_DISCARDED}{entry.name}-{os.getpid()}-{next(_discards)}"
        with contextlib.suppress(FileNotFoundError):  # another run was faster
            entry.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    # ---- maintenance -----------------------------------------------------------------------------------------------

    def sweep(self) -> int:
        """Removes folders and files of dead runs. Returns their number."""
        removed = 0
        for path in self._listed():
            if path.name.startswith(_BUILDING):
                with _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
                    if held:
                        shutil.rmtree(path, ignore_errors=True)
                        removed += 1
            elif path.name.startswith(_DISCARDED):
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
            elif path.name.startswith(".") and _age(path) > _FORGOTTEN_AFTER:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
                removed += 1
        return removed

    def entries(self) -> list[Entry]:
        """Every entry, damaged ones too."""
        found = []
        for path in self._listed():
            if path.name.startswith(".") or not path.is_dir():
                continue
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                manifest = path / _MANIFEST
                used = (manifest if manifest.exists() else path).stat().st_mtime
                found.append(Entry(self._kind, path.name, size, used, self.origin(path.name)))
        return found

    def origin(self, key: str) -> Mapping[str, Any]:
        """The inputs of an entry; empty if they were not recorded or cannot be read."""
        try:
            origin = json.loads((self._folder / key / _ORIGIN).read_text())
        except (OSError, ValueError):
            return {}
        return origin if isinstance(origin, dict) else {}

    def remove(self, key: str) -> bool:
        """Removes an entry unless a run holds it. Returns whether it is removed."""
        entry = self._folder / key
        with _locked(entry, fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
            if held:
                self._discard(entry)
            return held is not None

    def remove_notes(self, older_than: float) -> int:
        """Removes notes that are older than this number of seconds. Returns their number."""
        old = [path for path in self._listed() if path.suffix == _NOTE and _age(path) > older_than]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _listed(self) -> list[Path]:
        try:
            return sorted(self._folder.iterdir())
        except OSError:
            return []

    # ---- notes: small facts that save work; a lost note only costs time --------------------------------------------

    def read_note(self, name: str) -> str | None:
        """A note, or None."""
        path = self._folder / f"{name}{_NOTE}"
        try:
            return path.read_text() if _is_ours(path) else None
        except (OSError, ValueError):
            return None

    def write_note(self, name: str, text: str) -> None:
        """Writes a note in one step; does nothing if the store cannot be written."""
        if self._read_only:
            return
        with contextlib.suppress(OSError):
            self._make_folder()
            write_atomically(self._folder / f"{name}{_NOTE}", text.encode())


class _Held(NamedTuple):
    """A lock on a folder."""

    descriptor: int

    def still_at(self, path: Path) -> bool:
        """Whether the locked folder is the one at ``path``."""
        try:
            there = path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self.descriptor)
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


@contextlib.contextmanager
def _locked(folder: Path, operation: int) -> Iterator[_Held | None]:
    """Locks a folder; None if it does not exist, or if another process has the lock and ``operation`` does not wait."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            yield None
            return
        held = _Held(descriptor)
        yield held if held.still_at(folder) else None
    finally:
        os.close(descriptor)


def _write_with_room(write: Callable[[Path], None], folder: Path) -> None:
    """Calls ``write``. Raises its error, but OSError if programs failed because the disk is full.

    Compilers report a full disk only as text, if at all: CMake finds that the files that it has just written are empty.
    """
    try:
        write(folder)
    except CompileError as error:
        for code in NO_ROOM:
            if os.strerror(code) in str(getattr(error, "output", "")):
                raise OSError(code, os.strerror(code)) from None
        # The written files still exist, so a disk that was full is still full.
        facts = os.statvfs(folder)
        if facts.f_bavail * facts.f_frsize < _TOO_LITTLE or (facts.f_files and not facts.f_favail):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        raise


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _unwritable(root: Path, error: OSError) -> ConfigurationError:
    """The error of a store that cannot be written."""
    room = "; or make room: stage=prune" if error.errno in NO_ROOM else ""
    return ConfigurationError(f"store.path={root}: cannot be written: {error.strerror}; {_CHOOSE}{room}")


def _is_ours(path: Path) -> bool:
    """Whether ``path`` belongs to this user or to root, and is no symbolic link. Raises OSError."""
    facts = path.lstat()
    return facts.st_uid in (os.geteuid(), 0) and not stat.S_ISLNK(facts.st_mode)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
