"""Hosted: what the hosting server knows of one host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.hosting.door import Host
    from runtime.hosting.facts import Facts
    from runtime.hosting.wire import Wire


@dataclass(slots=True, eq=False)
class Hosted:
    """One host and what is known of it."""

    host: Host
    node: int
    wires: list[Wire] = field(default_factory=list)
    """The connections of its gateway: for tasks, for control requests, and for the news that it is lost."""
    facts: Facts = field(default_factory=dict)
    clock_offset_ns: int = 0
    """The host's clock minus that of this machine."""
    clock_bound_ns: int = 0
    """The greatest error of clock_offset_ns; 0: not measured yet."""
    heard_ns: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    patience: float = 0.0
    """Seconds that it had to start; the next host of its node has about as many."""
    installed: set[str] = field(default_factory=set)
    """The hashids of its callables."""
    input_bytes: int = 0
    """Bytes of the inputs that it keeps."""
    lost: str = ""

    @property
    def machine(self) -> str:
        """The name of its machine."""
        return self.host.machine.name
