"""A Ray cluster of this machine alone, which begins and ends with this process: its folder, and its processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_LONGEST_ROOT = 20
"""Bytes. The path of a Unix socket has at most 107, and what Ray and this module append has up to 87."""


class OwnCluster:
    """What this process starts, and leaves to no other.

    The processes of Ray end each other in seconds, or in half a minute on a busy machine. Nothing in them is worth the
    wait, so ``end()`` kills them.
    """

    def __init__(self) -> None:
        root = tempfile.gettempdir()
        self.folder = tempfile.mkdtemp(prefix="callring-ray-", dir=root if len(root) <= _LONGEST_ROOT else "/tmp")
        self.options: dict[str, Any] = {"_temp_dir": self.folder, "num_cpus": 1, "include_dashboard": False}
        """For ``ray.init``."""
        # A process whose parent has ended becomes a child of this process, not of the system's first one.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def end(self) -> None:
        """Kills every process below this one, and removes the folder. This process must then end, too."""
        while children := _children():
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in children:
                with contextlib.suppress(ChildProcessError):  # another thread has waited for it
                    os.waitpid(pid, 0)
        shutil.rmtree(self.folder, ignore_errors=True)


def _children() -> list[int]:
    """The living children of this process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(parent) == os.getpid() and state != "Z":
                    found.append(int(entry.name))
    return found
