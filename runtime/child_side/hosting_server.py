"""The hosting server: one process of this machine that holds the connection to an engine, for all gateways of a Worker.

Each gateway has three connections to it, for tasks, for control requests and for the news that its host is lost, and
each connection has a thread here. When a gateway ends, for any reason, its host is ended. When a host is lost, the
connections of its gateway are closed.
The server says on its standard input, a socket, whether it is connected to the engine, and then serves. It ends when
that socket does, that is, with the process of the Worker.
"""

from __future__ import annotations

import contextlib
import hmac
import itertools
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from runtime import _core
from runtime.child_side.far_host import FarHost
from runtime.child_side.hosted import Hosted
from runtime.child_side.hosted_tasks import HostedTasks
from runtime.child_side.shifted_trace import shifted
from runtime.hosting import transfer
from runtime.hosting.door import CONTROL, WELL, Hosting, HostLost, Machine, NoPlace, Refusal
from runtime.hosting.engines import hosting_of
from runtime.hosting.facts import differences, facts_of_this_process
from runtime.hosting.wire import Wire, WireClosed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.hosting.cluster import Cluster
    from runtime.processes.topology import Topology

_WORKER_LOST: int = _core.CODES["worker_lost"]
_POLL_SECONDS = 0.2
"""How long a host that finds no machine waits before it looks again: machines may join."""
_WIRES = 3
"""Connections of a gateway: for tasks, for control requests, and for the news that its host is lost."""
_OF_TASKS = ("away", "run", "move", "brought")
"""The requests that HostedTasks serves."""
_FOR_THE_ANSWER = 0.2
"""The part of a start time that is left when no machine was found: the reason must arrive in time."""
_SHARE_OF_START = 0.9
"""The part of the time that is left that a host's Worker may take to start."""
_BEATS = 3
"""Heartbeats in the time after which a silent host is lost."""


class HostingServer:
    """Serves gateways over connections to one Hosting."""

    def __init__(self, cluster: Cluster, hosting: Hosting, secret: bytes, listener: socket.socket) -> None:
        self._cluster = cluster
        self._hosting = hosting
        self._secret = secret
        self._listener = listener
        self._lock = threading.Lock()  # guards the three below
        self._hosts: dict[int, Hosted] = {}  # by ticket
        self._lost_at: dict[str, float] = {}  # when a machine, by its id, last lost a host
        self._payloads: dict[str, tuple[Any, set[int]]] = {}  # refs of callables' bytes and their hosts, by hashid
        self._tasks = HostedTasks(self, hosting)
        self._installed = threading.Condition()  # guards Hosted.installed; notified when it or a host's end changed
        self._counting = threading.Lock()  # guards the bytes of each host, and the two below
        self._sent_bytes = 0  # of all hosts, also of those that were lost
        self._received_bytes = 0
        self._tickets = itertools.count(1)

    def serve(self) -> None:
        """Accepts connections; never returns."""
        threading.Thread(target=self._beat, daemon=True).start()
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    # ---- connections -----------------------------------------------------------------------------------------------

    def _serve_one(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        hosted: Hosted | None = None
        try:
            if not self._is_ours(connection):
                return
            while True:
                operation, *arguments = wire.receive()
                if operation == "place":
                    ticket, refusal = self._place(*arguments)
                    hosted = self._hosts.get(ticket)
                    if hosted:
                        hosted.wires.append(wire)
                    wire.send((ticket, refusal))
                elif operation == "join":
                    hosted = self._hosts.get(arguments[0])
                    if hosted is None:
                        return  # its host was lost meanwhile
                    hosted.wires.append(wire)
                    wire.send(None)
                elif operation == "describe":
                    wire.send(self._described())
                elif operation == "traffic":
                    wire.send(self._traffic())
                elif operation == "forget":
                    self._forget(*arguments)
                    wire.send(None)
                elif operation in _OF_TASKS and hosted is not None:
                    getattr(self._tasks, operation)(wire, hosted, *arguments)
                elif hosted is not None:
                    wire.send(getattr(self, f"_{operation}")(hosted, *arguments))
        except WireClosed:
            if hosted is not None:
                self.lose(hosted, "its gateway has ended")
        except Exception as error:  # HostLost, or an error of the engine: the host cannot serve any more
            if hosted is not None:
                self.lose(hosted, str(error) or type(error).__name__)
        finally:
            wire.close()

    def _is_ours(self, connection: socket.socket) -> bool:
        """Whether the process at the other end is of this user and knows the secret."""
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", credentials)
        if user != os.getuid():
            return False
        shown = connection.recv(len(self._secret), socket.MSG_WAITALL)
        return hmac.compare_digest(shown, self._secret)

    def lose(self, hosted: Hosted, why: str) -> None:
        """Ends a host, and the connections of its gateway."""
        with self._lock:
            if hosted.lost:
                return
            hosted.lost = why
            self._lost_at[hosted.host.machine.id] = time.monotonic()
            for ticket in [ticket for ticket, one in self._hosts.items() if one is hosted]:
                del self._hosts[ticket]
        with self._installed:
            self._installed.notify_all()
        if len(hosted.wires) == _WIRES:
            with contextlib.suppress(WireClosed):
                hosted.wires[-1].send((hosted.machine, why))
        with contextlib.suppress(Exception):
            hosted.host.kill()
        for wire in hosted.wires:
            wire.close()

    # ---- hosts -----------------------------------------------------------------------------------------------------

    def _place(self, node: int, topology: Topology, search_path: list[str], seconds: float) -> tuple[int, Refusal]:
        deadline = time.monotonic() + seconds
        try:
            ticket, hosted = self._placed(topology, node, deadline - _FOR_THE_ANSWER * seconds)
        except (HostLost, NoPlace) as error:
            return 0, (_WORKER_LOST, str(error))
        except Exception as error:  # the engine's own, of any type
            where = f"{self._cluster.kind} at {self._cluster.address}"
            return 0, (_WORKER_LOST, f"{where}: {type(error).__name__}: {error}")
        hosted.patience = seconds
        machine = hosted.machine
        try:
            hosted.facts = self._ask(hosted, "hello", search_path, until=deadline)
            wrong = differences(facts_of_this_process(), hosted.facts)
            refusal = (_WORKER_LOST, f"machine {machine}: {'; '.join(wrong)}") if wrong else WELL
            if not wrong:
                left = max(0.0, deadline - time.monotonic()) * _SHARE_OF_START
                code, why = self._ask(hosted, "open", topology, left, until=deadline)
                refusal = WELL if code == WELL[0] else (code, f"machine {machine}: {why}")
        except (HostLost, TimeoutError) as error:
            refusal = (_WORKER_LOST, f"machine {machine}: {error}")
        if refusal[0] != WELL[0]:
            self.lose(hosted, refusal[1])
            return 0, refusal
        hosted.heard_ns = time.monotonic_ns()
        self._hear(hosted)  # short runs end before the first heartbeat, and their traces need the clock's offset, too
        return ticket, WELL

    def _placed(self, topology: Topology, node: int, deadline: float) -> tuple[int, Hosted]:
        """A host on a machine that is free and fits, and its ticket. Raises NoPlace after the deadline."""
        cluster = topology.on or self._cluster
        while True:
            with self._lock:
                machines = self._hosting.machines()
                fit = [machine for machine in machines if _fits(machine, cluster)]
                taken = Counter(hosted.host.machine.id for hosted in self._hosts.values())
                free = [machine for machine in fit if cluster.shares_machines or not taken[machine.id]]
                if free:
                    # A machine that lost a host may be out of reach, and the engine may not know it yet.
                    chosen = min(free, key=lambda one: (taken[one.id], self._lost_at.get(one.id, 0.0)))
                    ticket, hosted = next(self._tickets), Hosted(self._hosting.place(chosen, f"node {node}"), node)
                    self._hosts[ticket] = hosted
                    return ticket, hosted
            if not self._hosting.may_grow or time.monotonic() >= deadline:
                raise NoPlace(_missing(cluster, machines, fit, taken))
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    def host_with(self, node: int, hashid: str, patience: float, asking: Hosted) -> Hosted | None:
        """Waits for the host of a node that has a callable. Raises HostLost if the one that is ``asking`` was lost."""

        def found() -> list[Hosted]:
            if asking.lost:
                raise HostLost(asking.lost)
            with self._lock:
                return [one for one in self._hosts.values() if one.node == node and hashid in one.installed]

        with self._installed:
            hosts: list[Hosted] = self._installed.wait_for(found, patience)
        return hosts[0] if hosts else None

    def _ask(
        self, hosted: Hosted, method: str, *arguments: Any, contents: Sequence[Any] = (), until: float | None = None
    ) -> Any:
        (ref,) = hosted.host.call(method, pickle.dumps(arguments), *contents, control=method in CONTROL)
        return self._hosting.get(ref, None if until is None else max(0.0, until - time.monotonic()))

    # ---- requests of gateways --------------------------------------------------------------------------------------

    def _install(self, hosted: Hosted, kind: int, payload: Any, hashid: str) -> Refusal:
        # An engine takes longer to find a value that it keeps than to send a small one along.
        large = len(payload) >= transfer.LARGE
        content = self._shared_payload(hosted, payload, hashid) if large else bytes(payload)
        refusal: Refusal = self._ask(hosted, "install", kind, hashid, contents=[content])
        if refusal[0] == WELL[0]:
            with self._installed:
                hosted.installed.add(hashid)
                self._installed.notify_all()
        return refusal

    def _shared_payload(self, hosted: Hosted, payload: Any, hashid: str) -> Any:
        """A reference to the bytes of a callable, which travel to each machine once, not once a host."""
        with self._lock:
            if hashid not in self._payloads:
                self._payloads[hashid] = (self._hosting.put(bytes(payload)), set())
            ref, users = self._payloads[hashid]
            users.add(id(hosted))
        return ref

    def _remove(self, hosted: Hosted, hashid: str) -> None:
        with self._installed:
            hosted.installed.discard(hashid)
        self._ask(hosted, "remove", hashid)
        with self._lock:
            _, users = self._payloads.get(hashid, (None, set()))
            users.discard(id(hosted))
            if not users:
                self._payloads.pop(hashid, None)

    def count(self, hosted: Hosted, *, sent: int = 0, received: int = 0) -> None:
        """Counts bytes that travelled to or from a host."""
        with self._counting:
            hosted.sent_bytes += sent
            hosted.received_bytes += received
            self._sent_bytes += sent
            self._received_bytes += received

    def _traffic(self) -> tuple[int, int, int]:
        """Bytes that were sent to all hosts so far, that were received from them, and that stay on living ones."""
        with self._counting:
            sent, received = self._sent_bytes, self._received_bytes
        with self._lock:
            inputs = sum(hosted.input_bytes for hosted in self._hosts.values())
        return sent, received, self._tasks.contents.resident_bytes() + inputs

    def _forget(self, runs: list[int]) -> None:
        """Frees what hosts keep for runs that have ended."""
        self._tasks.contents.forget(runs)
        with self._lock:
            hosts = [hosted for hosted in self._hosts.values() if hosted.input_bytes]
        for hosted in hosts:  # each has a thread, for one that does not answer
            threading.Thread(target=self._forget_on, args=(hosted, runs), daemon=True).start()

    def _forget_on(self, hosted: Hosted, runs: list[int]) -> None:
        with contextlib.suppress(HostLost, TimeoutError):  # the heartbeat notices a host that does not answer
            hosted.input_bytes = self._ask(hosted, "forget", runs, until=time.monotonic() + self._cluster.lost_after)

    def _take_trace(self, hosted: Hosted) -> bytes:
        return shifted(self._ask(hosted, "take_trace"), hosted.clock_offset_ns, hosted.clock_bound_ns)

    def _close(self, hosted: Hosted) -> None:
        hosted.wires.pop()  # the gateway ends by itself: its end is no news
        self._ask(hosted, "close")

    def _described(self) -> dict[str, Any]:
        """The engine and its hosts, for results."""
        with self._lock:
            hosts = list(self._hosts.values())
        return {
            "kind": self._cluster.kind,
            "versions": self._hosting.versions(),
            "hosts": [
                {
                    "node": hosted.node,
                    "machine": hosted.machine,
                    "facts": hosted.facts,
                    "clock_bound_ns": hosted.clock_bound_ns,
                    "sent_bytes": hosted.sent_bytes,
                    "received_bytes": hosted.received_bytes,
                    "kept": self._tasks.contents.count(hosted),
                    "resident_bytes": self._tasks.contents.resident_bytes(hosted) + hosted.input_bytes,
                }
                for hosted in sorted(hosts, key=lambda hosted: hosted.node)
            ],
        }

    # ---- heartbeat -------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Asks every host for its clock, several times within ``lost_after``; a silent host is lost."""
        pause = self._cluster.lost_after / _BEATS
        while True:
            time.sleep(pause)
            with self._lock:
                hosts = [hosted for hosted in self._hosts.values() if hosted.heard_ns]
            for hosted in hosts:
                threading.Thread(target=self._hear, args=(hosted,), daemon=True).start()

    def answers(self, hosted: Hosted) -> bool:
        """Asks a host whether it lives; one that does not answer within ``lost_after`` is lost."""
        self._hear(hosted)
        return not hosted.lost

    def _hear(self, hosted: Hosted) -> None:
        sent = time.monotonic_ns()
        try:
            there = self._ask(hosted, "clock", until=time.monotonic() + self._cluster.lost_after)
        except TimeoutError:
            silent = (time.monotonic_ns() - hosted.heard_ns) / 1e9
            if silent >= self._cluster.lost_after:
                self.lose(hosted, f"no answer for {silent:.1f} s")
            return
        except HostLost as error:
            self.lose(hosted, str(error))
            return
        here = time.monotonic_ns()
        hosted.heard_ns = here
        bound = (here - sent) // 2
        if not hosted.clock_bound_ns or bound < hosted.clock_bound_ns:
            hosted.clock_offset_ns, hosted.clock_bound_ns = there - (sent + here) // 2, bound


def hosting_of_nodes(cluster: Cluster) -> Hosting:
    """The engine of ``cluster``, whose hosts are nodes; not connected yet."""
    if dict(cluster.faults).get("modelled"):
        return hosting_of(cluster, "runtime.child_side.modelled_host:ModelledHost")
    return hosting_of(cluster, f"{FarHost.__module__}:{FarHost.__qualname__}")


def _fits(machine: Machine, cluster: Cluster) -> bool:
    wanted = not cluster.machine or cluster.machine in {machine.id, machine.name}
    return wanted and cluster.accepts(machine.labels)


def _missing(cluster: Cluster, machines: list[Machine], fit: list[Machine], taken: Counter[str]) -> str:
    conditions = [f"{name}={value}" for name, value in cluster.labels]
    conditions += [f"machine {cluster.machine}"] if cluster.machine else []
    wanted = f" with {', '.join(conditions)}" if conditions else ""
    return (
        f"no machine{wanted} is free: {len(machines)} machines in the cluster ({', '.join(m.name for m in machines)}), "
        f"{len(fit)} fit, {taken.total()} have a host of this Worker already; add machines, or declare fewer nodes"
    )


def main(listener: int) -> None:
    """Serves until standard input ends. Its first bytes are the pickled Cluster and the secret."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    above = Wire(socket.socket(fileno=0))
    cluster, secret = above.receive()
    hosting = hosting_of_nodes(cluster)
    given = (above, cluster, hosting, secret, socket.socket(fileno=listener))
    threading.Thread(target=_connect_and_serve, args=given, daemon=True).start()
    with contextlib.suppress(WireClosed):
        above.receive()
    hosting.close()
    sys.stdout.flush()
    os._exit(0)


def _connect_and_serve(above: Wire, cluster: Cluster, hosting: Hosting, secret: bytes, listener: socket.socket) -> None:
    try:
        hosting.open()
    except HostLost as error:
        above.send(str(error))
        return
    except Exception as error:  # the engine's own, of any type
        above.send(f"{cluster.kind} at {cluster.address}: {type(error).__name__}: {error}")
        return
    above.send("")
    HostingServer(cluster, hosting, secret, listener).serve()
