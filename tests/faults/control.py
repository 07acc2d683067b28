"""The file that names the fault and counts the uses: ``Control`` of ``native/common/faults.cpp``."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import TYPE_CHECKING, NamedTuple

from tests.faults import sources

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "CALLRING_FAULTS_FILE"
ROLES = ("parent", "chip", "server", "python")
"""The roles of processes: the user's own process; chips; fork servers; sub-workers and nodes."""
CALLS = tuple(sources.table())
FOR_EVER = 1 << 62


class _Site(ctypes.Structure):
    _fields_ = (
        ("taken", ctypes.c_uint32),
        ("call", ctypes.c_uint32),
        ("line", ctypes.c_uint32),
        ("file", ctypes.c_char * 52),
        ("uses", ctypes.c_uint64 * 4),
    )


class _Control(ctypes.Structure):
    _fields_ = (
        ("armed", ctypes.c_uint32),
        ("parent", ctypes.c_int32),
        ("role", ctypes.c_uint32),
        ("call", ctypes.c_uint32),
        ("first", ctypes.c_uint64),
        ("times", ctypes.c_uint64),
        ("error", ctypes.c_int32),
        ("hits", ctypes.c_uint32),
        ("hit_process", ctypes.c_int32),
        ("hit_line", ctypes.c_uint32),
        ("hit_file", ctypes.c_char * 64),
        ("hit_stack", ctypes.c_uint64 * 24),
        ("uses", ctypes.c_uint64 * 64 * 4),
        ("blocks", ctypes.c_int64),
        ("sites", _Site * 1024),
    )


class Fault(NamedTuple):
    """One fault: the uses of a call from the ``first`` on, in the processes of a role, fail with an error number."""

    role: str
    call: str
    error: int
    first: int
    times: int = 1


NOTHING = Fault("parent", "close", 0, 0, 0)


class ControlFile:
    """The file, and this process's view of it."""

    def __init__(self, path: Path, fault: Fault) -> None:
        self.path = path
        path.write_bytes(bytes(ctypes.sizeof(_Control)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.state = state = _Control.from_buffer(self._map)
        state.role, state.call = ROLES.index(fault.role), CALLS.index(fault.call)
        state.first, state.times, state.error = fault.first, fault.times, fault.error

    def open_here(self, core: str) -> None:
        """Called in the parent: from now on its core, and the core of every process that it starts, uses the file."""
        self.state.parent = os.getpid()
        os.environ[VARIABLE] = str(self.path)
        ctypes.CDLL(core).callring_faults_open(os.fsencode(self.path))

    def arm(self, armed: bool = True) -> None:
        """From now on uses are counted, and those that the fault names fail."""
        self.state.armed = armed

    def uses(self) -> dict[str, dict[str, int]]:
        """How often each call was used, by role."""
        return {
            role: {call: used for call, used in zip(CALLS, self.state.uses[i], strict=False) if used}
            for i, role in enumerate(ROLES)
        }

    def sites(self) -> dict[sources.Site, int]:
        """How often each place in the sources was reached."""
        return {
            sources.Site(CALLS[site.call], sources.in_native(site.file.decode()), site.line): sum(site.uses)
            for site in self.state.sites
            if site.taken
        }

    def hit(self) -> str:
        """The place of the first failed use in the sources; empty for an allocation."""
        file = sources.in_native(self.state.hit_file.decode())
        return f"{file}:{self.state.hit_line}" if file else ""

    def stack(self) -> list[int]:
        """The stack of that use, as offsets in the extension or the chip program."""
        return [offset for offset in self.state.hit_stack if offset]
