"""Peers that are not in the standard library: ``pip install -e '.[peers]'``. Each is used as its documentation says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class _Peer:
    """Pooled (contenders.py), which only exists once that module is loaded."""

    def __new__(cls, children: int) -> Any:
        """An instance that is also a Pooled."""
        from tests.benchmark.contenders import Pooled

        made = object.__new__(type(cls.__name__, (cls, Pooled), {}))
        made.children = children
        made.start(children)
        made.many(children * 4)
        return made


class Loky(_Peer):
    """joblib's executor."""

    def start(self, children: int) -> None:
        """Starts the processes."""
        import loky

        self.pool = loky.ProcessPoolExecutor(children)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        return self.pool.submit(function, *args)

    def close(self) -> None:
        """Ends the children."""
        self.pool.shutdown()


class Ray(_Peer):
    """A local Ray cluster."""

    slowness = 10

    def start(self, children: int) -> None:
        """Starts the cluster."""
        import ray

        ray.init(num_cpus=children, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        self.ray, self.remotes = ray, {}

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        if function not in self.remotes:
            self.remotes[function] = self.ray.remote(function)
        return self.remotes[function].remote(*args)

    def result(self, future: Any) -> Any:
        """Waits for a call."""
        return self.ray.get(future)

    def close(self) -> None:
        """Ends the cluster."""
        self.ray.shutdown()


class Dask(_Peer):
    """dask.distributed on this machine."""

    slowness = 40

    def start(self, children: int) -> None:
        """Starts the cluster."""
        import distributed

        self.client = distributed.Client(
            n_workers=children, threads_per_worker=1, dashboard_address=None, silence_logs=50
        )

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        return self.client.submit(function, *args, pure=False)

    def close(self) -> None:
        """Ends the cluster."""
        self.client.close()
        self.client.cluster.close()


PEERS: dict[str, Callable[[int], Any]] = {"loky": Loky, "Ray": Ray, "Dask": Dask}
