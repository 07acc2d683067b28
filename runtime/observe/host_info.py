"""What a Worker reports about the hosts of its nodes on other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runtime.hosting.wire import WireClosed

if TYPE_CHECKING:
    from runtime.processes.hostings import Hostings


class HostInfo(NamedTuple):
    """A snapshot of the host of one node, for people and results."""

    node: int
    """The node's id."""
    engine: str
    """The kind of engine, for instance ``"ray"``."""
    versions: dict[str, str]
    """The engine's packages and their versions."""
    machine: str
    """The name of the machine."""
    facts: dict[str, str]
    """What the host reported when it joined: its Python, libc, instruction set and so on."""
    clock_bound_ns: int
    """Nanoseconds by which times of this host in traces may be wrong; 0: its clock was not compared yet."""
    sent_bytes: int
    """Bytes of arguments that were sent to the host since its start."""
    received_bytes: int
    """Bytes of results that were received from it."""
    resident_bytes: int = 0
    """Bytes that it keeps at this moment, for runs under way."""


def hosts_of(hostings: Hostings) -> list[HostInfo]:
    """The hosts of a Worker, by node; without those of an engine whose connection has ended."""
    try:
        described = hostings.describe()
    except WireClosed:
        return []
    fields = ("node", "machine", "facts", "clock_bound_ns", "sent_bytes", "received_bytes", "resident_bytes")
    found = [
        HostInfo(engine=engine["kind"], versions=engine["versions"], **{name: host[name] for name in fields})
        for engine in described
        for host in engine["hosts"]
    ]
    return sorted(found, key=lambda host: host.node)
