"""Version and target of the compiler; queried again only when the compiler's file changes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.building.store import digest_of
from runtime.errors import ToolchainMissing
from runtime.packages import not_installed

if TYPE_CHECKING:
    from pipeline.building.store import Store


_LATEST = digest_of("the compiler that was asked last")


def latest_identity(store: Store) -> str:
    """The identity of g++ or, if it is not installed, of the last compiler that used the store; empty if there is none.

    With it, existing builds are found without a compiler.
    """
    try:
        return compiler_identity(store)
    except ToolchainMissing:
        return store.read_note(_LATEST) or ""


def compiler_identity(store: Store) -> str:
    """Version line and target machine of g++. Raises ToolchainMissing.

    Args:
        store: keeps the answer, so that no process has to start if nothing changed.
    """
    found = shutil.which("g++")
    if found is None:
        raise ToolchainMissing(not_installed("g++"))
    file = Path(found).resolve()
    facts = file.stat()
    name = digest_of(str(file), str(facts.st_size), str(facts.st_mtime_ns))
    known = store.read_note(name)
    if known is None:
        from runtime.toolchain import compiler_identity as asked

        known = asked()
        store.write_note(name, known)
    if store.read_note(_LATEST) != known:
        store.write_note(_LATEST, known)
    return known
