"""Writes a file in one step: a reader sees the old or the whole new content, and a failure leaves no partial file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Writes a temporary file beside ``path`` and renames it. Raises OSError; ``path`` is then unchanged.

    Args:
        path: the file.
        content: the whole content.
        durable: waits until the content is on the disk, so that it survives a loss of power.
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
