"""Writes a file in one step: a reader sees the old content or all of the new, and a failure leaves no piece behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Writes beside ``path`` and renames. Raises OSError; ``path`` is then as it was.

    Args:
        path: the file.
        content: all of it.
        durable: waits until the disk has it, so that it also outlives a loss of power.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
