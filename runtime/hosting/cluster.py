"""Cluster: which engine hosts the nodes of a Worker, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.errors import ConfigurationError
from runtime.numbers import flag, seconds

KINDS = ("local", "ray", "fake")
"""``local``: processes of this machine; ``ray``: actors of a Ray cluster; ``fake``: hosts of tests, on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """An engine that hosts nodes, and the conditions under which it does.

    Raises:
        ConfigurationError: an unknown kind, or a value out of range; the message names the field.

    Example:
        >>> top = Worker(level=4)
        >>> top.add_worker(Worker(level=3, chips=8), on=Cluster(kind="ray", address="auto"))
        0
    """

    kind: str = "local"
    """One of KINDS."""
    address: str = "auto"
    """Ray: ``"auto"`` (the cluster that this machine belongs to), ``"local"`` (a cluster of this machine alone, started
    and ended with the Worker), or ``"host:port"``."""
    lost_after: float = 15.0
    """Seconds without an answer after which a host counts as lost."""
    one_per_machine: bool = True
    """Whether each machine has at most one host of this Worker. Without effect with the address ``"local"``: that is
    one machine."""
    labels: tuple[tuple[str, str], ...] = ()
    """Labels that a machine must have, as pairs or as a mapping."""
    machine: str = ""
    """The name or the id of the only machine that may have this host; empty: any."""
    token: str = ""
    """Ray: the file of the token with which this Worker authenticates itself; empty: without authentication."""
    tls: tuple[str, ...] = ()
    """Ray: the files of certificate, key and certificate authority; empty: connections are not encrypted."""
    faults: tuple[tuple[str, Any], ...] = field(default=(), hash=False)
    """Of ``fake`` only: the faults that tests order; see runtime/hosting/fake.py."""

    def __post_init__(self) -> None:
        """Refuses impossible values."""
        if self.kind not in KINDS:
            raise ConfigurationError(f"Cluster: kind={self.kind!r}: one of {', '.join(KINDS)}")
        for name in ("address", "machine", "token"):
            if not isinstance(getattr(self, name), str):
                raise ConfigurationError(f"Cluster: {name}={getattr(self, name)!r}: a text")
        if not self._names_an_address:
            raise ConfigurationError(f"Cluster: address={self.address!r}: 'auto', 'local' or 'host:port'")
        seconds("lost_after", self.lost_after)
        flag("one_per_machine", self.one_per_machine)
        pairs = self.labels.items() if isinstance(self.labels, Mapping) else self.labels
        object.__setattr__(self, "labels", tuple(sorted((str(name), str(value)) for name, value in pairs)))
        if len(self.tls) not in {0, 3}:
            raise ConfigurationError(f"Cluster: tls={self.tls!r}: the files of certificate, key and authority, or none")
        object.__setattr__(self, "tls", tuple(self.tls))
        object.__setattr__(self, "faults", tuple(sorted(dict(self.faults).items())))
        if self.faults and self.kind != "fake":
            raise ConfigurationError(f"Cluster: faults: only for kind='fake', not {self.kind!r}")

    @property
    def connection(self) -> Cluster:
        """The engine without the conditions on a machine: nodes with the same value share one connection."""
        return replace(self, machine="", labels=(), one_per_machine=True)

    @property
    def shares_machines(self) -> bool:
        """Whether a machine may have several hosts of one Worker: a cluster of this machine alone has only this one."""
        return not self.one_per_machine or self.starts_here

    @property
    def starts_here(self) -> bool:
        """Whether the engine starts on this machine with the Worker, and ends with it."""
        return self.kind == "ray" and self.address == "local"

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether a machine with these labels has the wanted ones."""
        return all(labels.get(name) == value for name, value in self.labels)

    @property
    def _names_an_address(self) -> bool:
        if self.kind != "ray":
            return bool(self.address)
        host, _, port = self.address.rpartition(":")
        return self.address in {"auto", "local"} or (bool(host) and port.isdecimal() and 0 < int(port) < 1 << 16)

    @property
    def is_remote(self) -> bool:
        """Whether its hosts may be on other machines."""
        return self.kind != "local"
