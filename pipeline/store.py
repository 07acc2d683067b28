"""The store: built things under the hash of everything they were built from.

An entry is a folder that is written beside and renamed into place, so that it is whole or not there, whatever is
killed and however many runs share the store. Each file's digest is recorded and checked on use; a damaged entry is
removed and built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_MANIFEST = "manifest.json"
_ATTEMPTS = 100
"""How often runs that meet at one damaged entry may get in each other's way; each time one of them gets on."""


def default_store() -> Path:
    """``$CALLRING_STORE``, else ``~/.cache/callring``."""
    return Path(os.environ.get("CALLRING_STORE") or Path.home() / ".cache" / "callring")


def digest_of(*parts: str | bytes) -> str:
    """A key: the hex SHA-256 of the parts, each with its length, so that no two lists of parts collide."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()


class Store:
    """Entries of one kind.

    Args:
        root: the store's folder; made when something is put into it.
        kind: for instance ``"callables"``.
    """

    def __init__(self, root: Path, kind: str) -> None:
        self._folder = root / kind

    def find(self, key: str) -> Path | None:
        """The entry of a key if it is there and undamaged."""
        entry = self._folder / key
        try:
            recorded = json.loads((entry / _MANIFEST).read_text())["files"]
            if all(_file_digest(entry / name) == digest for name, digest in recorded.items()):
                return entry
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return None

    def put(self, key: str, write: Callable[[Path], None]) -> Path:
        """Makes an entry: ``write`` fills a new folder, which then takes its place. The entry's folder.

        If another run was faster with the same key, its entry stays: equal keys mean equal content.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{key[:8]}-", dir=self._folder))
        try:
            write(beside)
            files = sorted(path for path in beside.rglob("*") if path.is_file())
            recorded = {str(path.relative_to(beside)): _file_digest(path) for path in files}
            (beside / _MANIFEST).write_text(json.dumps({"files": recorded}, indent=1))
            entry = self._folder / key
            if self.find(key) is None:
                self._replace(beside, entry)
            return entry
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _replace(self, beside: Path, entry: Path) -> None:
        """Puts ``beside`` into the entry's place, unless a whole entry of another run is there."""
        for attempt in range(_ATTEMPTS):
            try:
                beside.rename(entry)
            except OSError:
                if self.find(entry.name) is not None:
                    return
                if attempt == _ATTEMPTS - 1:
                    raise
                self._move_aside(entry)
            else:
                return

    def _move_aside(self, entry: Path) -> None:
        """Takes a damaged entry out of the way in one step: it is never there in half."""
        aside = Path(tempfile.mkdtemp(prefix=".damaged-", dir=self._folder))
        try:
            entry.rename(aside / "entry")
        except FileNotFoundError:
            pass  # another run was faster
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    # ---- notes: small facts that only save work; losing one costs nothing but time ---------------------------------

    def read_note(self, name: str) -> str | None:
        """A note, or None."""
        try:
            return (self._folder / f"{name}.note").read_text()
        except OSError:
            return None

    def write_note(self, name: str, text: str) -> None:
        """Writes a note in one step."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._folder, prefix=".note-", delete=False) as file:
            file.write(text)
        Path(file.name).replace(self._folder / f"{name}.note")


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
