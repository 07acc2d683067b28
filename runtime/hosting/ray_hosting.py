"""``ray``: nodes as actors of a Ray cluster. Needs the extra ``ray``.

Ray restarts and retries nothing here (``max_restarts=0``, ``max_task_retries=0``): Callring alone decides what runs
again. Security is set explicitly and never inherited (runtime/hosting/ray_connection.py).
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.hosting.door import ContentLost, Host, Hosting, HostLost, Machine
from runtime.hosting.ray_connection import RayConnection, one_line
from runtime.hosting.transfer import LARGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.hosting.cluster import Cluster

_CONTROL_THREADS = 2


class RayHosting(Hosting):
    """A driver of a Ray cluster.

    Args:
        far_side: ``"module:class"`` of the object of each actor.
        apart: whether that object gets a process of its own beside that of the actor.
    """

    def __init__(self, cluster: Cluster, far_side: str, *, apart: bool) -> None:
        self._connection = RayConnection(cluster)
        self._far_side = far_side
        self._apart = apart

    def open(self) -> None:
        """Connects to the cluster, or starts one."""
        self._connection.open()
        self._ray = self._connection.ray

    def machines(self) -> list[Machine]:
        """The machines whose Ray daemon lives, without those that take no work (``ray start --num-cpus=0``)."""
        self._raise_if_lost()
        try:
            nodes = self._ray.nodes()
        except Exception as error:
            raise HostLost(f"the head of the Ray cluster does not answer: {one_line(error)}") from None
        return [
            Machine(
                node["NodeID"],
                node["NodeManagerHostname"] or node["NodeManagerAddress"],
                dict(node.get("Labels") or {}),
            )
            for node in nodes
            if node["Alive"] and node["Resources"].get("CPU")
        ]

    def place(self, machine: Machine, name: str) -> Host:
        """Creates an actor on exactly this machine."""
        self._raise_if_lost()
        return _RayHost(self._connection, machine, name, self._far_side, apart=self._apart)

    def put(self, content: Any) -> Any:
        """Puts bytes into Ray's object store."""
        return self._ray.put(content)

    def get(self, ref: Any, timeout: float | None = None) -> Any:
        """Waits for an object."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(ref, timeout=timeout)
        except errors.GetTimeoutError:
            raise TimeoutError("no answer in time") from None
        except errors.RayTaskError as error:  # the far side raised
            if isinstance(error.cause, HostLost):
                raise error.cause from None
            if isinstance(error.cause, errors.ObjectLostError):
                raise ContentLost(one_line(error.cause)) from None
            raise HostLost(one_line(error)) from None
        except errors.ActorDiedError as error:
            raise HostLost(_death(one_line(error))) from None
        except errors.RayError as error:
            raise HostLost(one_line(error)) from None

    def close(self) -> None:
        """Ends the connection, and with it the actors; see RayConnection.close."""
        self._connection.close()

    def versions(self) -> dict[str, str]:
        """Ray's version."""
        return {"engine": "ray", "ray": str(self._ray.__version__)}

    def _raise_if_lost(self) -> None:
        if self._connection.lost:
            raise HostLost(self._connection.lost)


class _RayHost(Host):
    def __init__(self, connection: RayConnection, machine: Machine, name: str, far_side: str, *, apart: bool) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from runtime.hosting.ray_actor import Actor

        self.machine = machine
        self._connection = connection
        self._methods: dict[tuple[int, bool], Any] = {}  # by the number of values, and whether it is a control call
        actor = connection.ray.remote(
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            concurrency_groups={"control": _CONTROL_THREADS},
            enable_task_events=False,
        )(Actor)
        self._actor = actor.options(
            name=f"{name}-{os.urandom(4).hex()}",
            scheduling_strategy=NodeAffinitySchedulingStrategy(machine.id, soft=False),
        ).remote(far_side, apart=apart)

    def call(self, method: str, head: bytes, *contents: Any, returns: int = 1, control: bool = False) -> Sequence[Any]:
        """Calls the actor; a content that is a reference is fetched there. Raises HostLost without the head."""
        if self._connection.lost:
            raise HostLost(self._connection.lost)
        given = [_without_copy(content) for content in contents] if contents else []
        refs = self._method(returns, control).remote(method.encode() + b" " + head, *given)
        return [refs] if returns == 1 else list(refs)

    def _method(self, returns: int, control: bool) -> Any:
        """The actor's method, with the options of a call. Ray takes longer to make it than to call it."""
        if (returns, control) not in self._methods:
            options = {"num_returns": returns, **({"concurrency_group": "control"} if control else {})}
            self._methods[returns, control] = self._actor.call.options(**options)
        return self._methods[returns, control]

    def kill(self) -> None:
        """Kills the actor's process, as soon as the head and the machine can be reached."""
        # Ray's kill() waits for the head; a head that is away must not stop the news that this host is lost.
        threading.Thread(target=self._connection.ray.kill, args=(self._actor,), daemon=True).start()


def _without_copy(content: Any) -> Any:
    """A content as Ray takes it: it copies an array once, into its store, but other buffers twice."""
    is_large = isinstance(content, (bytes, bytearray)) and len(content) >= LARGE
    return np.frombuffer(content, np.uint8) if is_large else content


def _death(text: str) -> str:
    """What Ray says of an actor's death, and what to do where Ray does not know it."""
    if "ModuleNotFoundError" in text or "ImportError" in text:
        return f"{text}: install callring into the environment of Ray there"
    if "all references to the actor were removed" in text:
        return "Ray there cannot call this process back: its token and tls differ from those that are given here"
    return text.partition(" Some common causes include")[0]
