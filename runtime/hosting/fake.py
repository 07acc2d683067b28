"""``fake``: an engine for tests. Its machines are names, its hosts are processes of this machine.

Faults come from outside, as real ones do: a killed process is a dead host, a stopped one is a host behind a pulled
cable. ``Cluster.faults`` has the rest: ``machines`` (how many; default 4), ``delay`` (seconds before each call),
``facts`` (what a host reports wrongly at its start), ``unreachable`` (why the engine does not answer), ``modelled``
(hosts are threads of the hosting server that run no tasks: hundreds of them fit on a machine).
"""

from __future__ import annotations

import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.hosting.door import ContentLost, Host, Hosting, HostLost, Machine
from runtime.hosting.far_here import FarHere
from runtime.hosting.far_process import FarProcess
from runtime.hosting.transfer import LARGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from runtime.hosting.cluster import Cluster

_MACHINES = 4


class FakeHosting(Hosting):
    """Hosts on this machine.

    Args:
        far_side: ``"module:class"`` of the object in each host.
    """

    may_grow = False

    def __init__(self, cluster: Cluster, far_side: str) -> None:
        self._address = cluster.address
        self._faults = dict(cluster.faults)
        self._far_side = far_side
        self._hosts: list[_FakeHost] = []

    def open(self) -> None:
        """Raises HostLost if ``faults`` says that the engine is unreachable."""
        if "unreachable" in self._faults:
            raise HostLost(f"the engine at {self._address} does not answer: {self._faults['unreachable']}")

    def machines(self) -> list[Machine]:
        """As many as ``faults`` says; each has the label ``number``."""
        names = (f"fake-{i}" for i in range(self._faults.get("machines", _MACHINES)))
        return [Machine(name, name, {"number": name.partition("-")[2]}) for name in names]

    def place(self, machine: Machine, name: str) -> Host:
        """Starts a process."""
        far = FarHere(self._far_side) if self._faults.get("modelled") else FarProcess(self._far_side)
        host = _FakeHost(machine, far, self._faults)
        self._hosts.append(host)
        return host

    def put(self, content: Any) -> Any:
        """The content itself: there is only this machine."""
        return content

    def get(self, ref: Any, timeout: float | None = None) -> Any:
        """Waits for an answer."""
        try:
            value = ref.future.result(timeout)[ref.place]
        except FutureTimeout:
            raise TimeoutError("no answer in time") from None
        except CancelledError:
            raise HostLost("it was ended") from None
        if ref.is_gone:
            raise HostLost("it has ended, and its values with it")
        return {**value, **self._faults["facts"]} if "facts" in self._faults and isinstance(value, dict) else value

    def close(self) -> None:
        """Kills all hosts."""
        for host in self._hosts:
            host.kill()

    def versions(self) -> dict[str, str]:
        """No engine, no version."""
        return {"engine": "fake"}


@dataclass(frozen=True, slots=True)
class _Ref:
    """One of the values of a call. Its host's machine keeps large ones, and this process small ones, as with Ray."""

    future: Future[list[Any]]
    place: int
    far: FarProcess | FarHere

    @property
    def is_gone(self) -> bool:
        """Whether the value is lost with its host; it was there."""
        value = self.future.result()[self.place]
        return isinstance(value, bytes) and len(value) >= LARGE and self.far.has_ended


class _FakeHost(Host):
    def __init__(self, machine: Machine, far: FarProcess | FarHere, faults: dict[str, Any]) -> None:
        self.machine = machine
        self._far = far
        self._faults = faults
        self._ordered, self._control = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def call(self, method: str, head: bytes, *contents: Any, returns: int = 1, control: bool = False) -> Sequence[Any]:
        """Begins a call. Raises HostLost."""
        time.sleep(self._faults.get("delay", 0.0))
        calls = self._control if control else self._ordered
        try:
            future = calls.submit(self._values, method, head, contents, control)
        except RuntimeError:  # after kill()
            raise HostLost("it was ended") from None
        return [_Ref(future, place, self._far) for place in range(returns)]

    def _values(self, method: str, head: bytes, contents: Sequence[Any], control: bool) -> list[Any]:
        """The values of a call, to keep."""
        refs = [content for content in contents if isinstance(content, _Ref)]
        if any(ref.is_gone for ref in refs):
            raise ContentLost("a host has ended, and its values with it")
        given = [one.future.result()[one.place] if isinstance(one, _Ref) else one for one in contents]
        values = self._far.call(method, head, given, control=control)
        return [bytes(value) if isinstance(value, memoryview) else value for value in values]

    def kill(self) -> None:
        """Kills the process, and withdraws the calls that have not begun."""
        self._far.kill()
        for calls in (self._ordered, self._control):
            calls.shutdown(wait=False, cancel_futures=True)
