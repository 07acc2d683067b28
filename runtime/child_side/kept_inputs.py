"""Inputs that a host keeps for later tasks: large contents that its tasks only read.

They are named by their run and by what they are, not by where they were, and kept until the run has ended. If they take
too much memory, those that were not used for the longest time are dropped, and the
answer to the gateway names them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.tensors.tensor import Tensor

_SHARE = 8
"""One part in so many of the memory may be taken by inputs that no task uses at the moment."""

Name = tuple[int, bytes]
"""A run, and a name that is unique in it."""


class KeptInputs:
    """The inputs on this host. ``forget`` may be called beside any other method.

    Args:
        memory_limit: the bytes that tensors of this host may take.
    """

    def __init__(self, memory_limit: int) -> None:
        self._most = min(memory_limit, _memory()) // _SHARE
        self._lock = threading.Lock()  # guards the two below
        self._tensors: OrderedDict[Name, Tensor] = OrderedDict()
        self._bytes = 0

    def find(self, name: Name) -> Tensor | None:
        """An input that the host keeps."""
        with self._lock:
            tensor = self._tensors.get(name)
            if tensor is not None:
                self._tensors.move_to_end(name)
            return tensor

    def keep(self, name: Name, tensor: Tensor) -> None:
        """Keeps an input."""
        with self._lock:
            self._remove(name)
            self._tensors[name] = tensor
            self._bytes += tensor.nbytes

    def make_room(self, needed: Callable[[], set[Name]], most: int | None = None) -> list[Name]:
        """Drops inputs until they take at most ``most`` bytes; returns their names.

        Args:
            needed: returns those that must stay. Not called while there is room.
        """
        bound = self._most if most is None else most
        if self.nbytes <= bound:
            return []
        dropped: list[Name] = []
        staying = needed()
        with self._lock:
            for name in [name for name in self._tensors if name not in staying]:
                if self._bytes <= bound:
                    break
                self._remove(name)
                dropped.append(name)
        return dropped

    def forget(self, runs: Iterable[int]) -> int:
        """Drops the inputs of runs that have ended. Returns the bytes that are left."""
        ended = set(runs)
        with self._lock:
            for name in [name for name in self._tensors if name[0] in ended]:
                self._remove(name)
            return self._bytes

    def lacks(self, names: Iterable[Name]) -> list[Name]:
        """Those of ``names`` that are not kept."""
        with self._lock:
            return [name for name in names if name not in self._tensors]

    @property
    def nbytes(self) -> int:
        """The bytes of all inputs."""
        with self._lock:
            return self._bytes

    def _remove(self, name: Name) -> None:
        tensor = self._tensors.pop(name, None)
        if tensor is not None:
            self._bytes -= tensor.nbytes


def _memory() -> int:
    """The bytes of memory that this process may use: those of the machine, or of its container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # without version 2 of control groups, or without a limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total
