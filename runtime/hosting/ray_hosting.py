"""``ray``: nodes as actors of a Ray cluster. Needs the extra ``ray``.

Ray restarts and retries nothing here (``max_restarts=0``, ``max_task_retries=0``): Callring alone decides what runs
again. Security is set explicitly and never inherited from the environment or from files in the home folder.
"""

from __future__ import annotations

import importlib
import logging
import os
from typing import TYPE_CHECKING, Any

from runtime.hosting.door import Host, Hosting, HostLost, Machine
from runtime.hosting.requirements import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.hosting.cluster import Cluster

_CONTROL_THREADS = 2


class RayHosting(Hosting):
    """A driver of a Ray cluster.

    Args:
        far_side: ``"module:class"`` of the object in each actor.

    Raises:
        HostLost: Ray is not installed, too old, or its head does not answer; the text says what to do.
    """

    def __init__(self, cluster: Cluster, far_side: str) -> None:
        self._ray = ray = _imported(cluster)
        self._far_side = far_side
        address = None if cluster.address == "local" else cluster.address
        try:
            ray.init(
                address=address,
                namespace=f"callring-{os.getpid()}",
                log_to_driver=True,
                logging_level=logging.ERROR,
                include_dashboard=False if address is None else None,
                configure_logging=True,
            )
        except Exception as error:  # ConnectionError, RuntimeError, ValueError of many kinds
            raise HostLost(
                f"no Ray cluster at engine.address={cluster.address}: {error}; start one with `ray start --head`, or "
                "use address=local for a cluster of this machine alone"
            ) from None

    def machines(self) -> list[Machine]:
        """The machines whose Ray daemon lives."""
        try:
            nodes = self._ray.nodes()
        except Exception as error:
            raise HostLost(f"the head of the Ray cluster does not answer: {error}") from None
        return [
            Machine(
                node["NodeID"],
                node["NodeManagerHostname"] or node["NodeManagerAddress"],
                dict(node.get("Labels") or {}),
            )
            for node in nodes
            if node["Alive"]
        ]

    def place(self, machine: Machine, name: str) -> Host:
        """Creates an actor on exactly this machine."""
        return _RayHost(self._ray, machine, self._far_side, name)

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
        except (errors.ActorDiedError, errors.ActorUnavailableError, errors.WorkerCrashedError) as error:
            raise HostLost(_first_line(error)) from None
        except (errors.ObjectLostError, errors.NodeDiedError) as error:
            raise HostLost(_first_line(error)) from None
        except errors.RayTaskError as error:  # the far side raised
            raise error.cause if isinstance(error.cause, Exception) else HostLost(_first_line(error)) from None

    def close(self) -> None:
        """Ends the connection; Ray ends the actors of a driver that has left."""
        self._ray.shutdown()

    def versions(self) -> dict[str, str]:
        """Ray's version."""
        return {"engine": "ray", "ray": str(self._ray.__version__)}


class _RayHost(Host):
    def __init__(self, ray: Any, machine: Machine, far_side: str, name: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from runtime.hosting.ray_actor import Actor

        self.machine = machine
        self._ray = ray
        actor = ray.remote(
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            concurrency_groups={"control": _CONTROL_THREADS},
        )(Actor)
        self._actor = actor.options(
            name=f"{name}-{os.urandom(4).hex()}",
            scheduling_strategy=NodeAffinitySchedulingStrategy(machine.id, soft=False),
        ).remote(far_side)

    def call(self, method: str, head: bytes, *contents: Any, returns: int = 1, control: bool = False) -> Sequence[Any]:
        """Calls the actor; a content that is a reference is fetched there."""
        options = {"num_returns": returns, **({"concurrency_group": "control"} if control else {})}
        refs = self._actor.call.options(**options).remote(method, head, *contents)
        return [refs] if returns == 1 else list(refs)

    def kill(self) -> None:
        """Kills the actor's process."""
        self._ray.kill(self._actor, no_restart=True)


def _imported(cluster: Cluster) -> Any:
    lacking = missing(cluster)
    if lacking:
        raise HostLost(lacking)
    _set_security(cluster)
    return importlib.import_module("ray")


def _set_security(cluster: Cluster) -> None:
    """Sets what Ray would otherwise take from the environment, or from a token that happens to lie in the home."""
    environment = os.environ
    for name in [name for name in environment if name.startswith(("RAY_AUTH", "RAY_TLS", "RAY_USE_TLS"))]:
        del environment[name]
    environment["RAY_AUTH_MODE"] = "token" if cluster.token else "disabled"
    if cluster.token:
        environment["RAY_AUTH_TOKEN_PATH"] = cluster.token
    environment["RAY_USE_TLS"] = "1" if cluster.tls else "0"
    if cluster.tls:
        names = ("RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")
        environment.update(zip(names, cluster.tls, strict=True))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
