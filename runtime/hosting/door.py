"""The door: what Callring needs of an engine that hosts nodes. An adapter for one engine implements Hosting and Host.

The engine starts one long-lived object on a machine (the far side, runtime/child_side/far_host.py), calls its methods,
keeps values in memory and moves them between machines. It decides nothing: it does not restart, retry or reorder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Refusal = tuple[int, str]
"""How a host answers a request: a code of the native core and a text, as a child of this machine does."""
WELL: Refusal = (0, "")

CONTROL = ("clock", "forget")
"""The methods of the far side that run beside the others."""

Ref = Any
"""A value that an engine keeps: opaque, and resolved on the far side where it is an argument of a call."""


class HostLost(Exception):  # noqa: N818 - named as the event
    """A host does not answer, or has ended; ``args[0]`` says how this was noticed."""


class ContentLost(Exception):  # noqa: N818
    """A value that a call was to read is gone with its host, so the call has not begun; ``args[0]`` says how."""


class NoPlace(Exception):  # noqa: N818
    """A host cannot be placed within its deadline; ``args[0]`` names what is missing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of an engine."""

    id: str
    name: str
    """Its host name or address."""
    labels: dict[str, str] = field(default_factory=dict)


class Host(ABC):
    """The far side of one node. Its calls begin in the order in which they were made, except that control calls run
    beside the others."""

    machine: Machine

    @abstractmethod
    def call(self, method: str, head: bytes, *contents: Any, returns: int = 1, control: bool = False) -> Sequence[Ref]:
        """Begins a call of a method of the far side, and returns a reference to each of its ``returns`` values.

        Args:
            head: the pickled tuple of the first arguments, which only the far side unpickles: an engine's process may
                be unable to import what is in it.
            contents: further arguments: bytes, or references to bytes.
        """

    @abstractmethod
    def kill(self) -> None:
        """Ends the far side and all of its processes, without asking it."""


class Hosting(ABC):
    """A connection to an engine. Threads may use it at the same time, once it is open."""

    may_grow = True
    """Whether machines may join: a host that finds none waits for one until its deadline."""

    @abstractmethod
    def open(self) -> None:
        """Connects. Raises HostLost, with what to do."""

    @abstractmethod
    def machines(self) -> list[Machine]:
        """The machines that are there now. Raises HostLost if the engine does not answer."""

    @abstractmethod
    def place(self, machine: Machine, name: str) -> Host:
        """Starts a far side on ``machine``. Its start is under way when this returns: the first call waits for it.

        Args:
            name: the name of the node in the engine's own listings.
        """

    @abstractmethod
    def put(self, content: Any) -> Ref:
        """Keeps bytes, for calls to any number of hosts."""

    @abstractmethod
    def get(self, ref: Ref, timeout: float | None = None) -> Any:
        """Waits for a value.

        Raises:
            HostLost: the host that makes it, or that has it, has ended.
            ContentLost: an argument of the call that was to make it was on a host that has ended.
            TimeoutError: it is not there within ``timeout`` seconds.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends the connection and every far side, also while open() waits. The process of this object ends after it."""

    def versions(self) -> dict[str, str]:
        """The engine's name and version, for results."""
        return {}
