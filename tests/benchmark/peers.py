"""Peers that are not in the standard library: ``pip install -e '.[peers]'``. Each is used as its documentation says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmark.contenders import Pooled


class Loky(Pooled):
    """joblib's executor."""

    def __init__(self, children: int) -> None:
        import loky

        self.children = children
        self.pool = loky.ProcessPoolExecutor(children)
        self.many(children * 4)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        return self.pool.submit(function, *args)

    def close(self) -> None:
        """Ends the children."""
        self.pool.shutdown()


class Ray(Pooled):
    """A local Ray cluster."""

    slowness = 10

    def __init__(self, children: int) -> None:
        import ray

        self.children = children
        ray.init(num_cpus=children, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        self.ray, self.remotes = ray, {}
        self.many(children * 4)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        if function not in self.remotes:
            self.remotes[function] = self.ray.remote(function)
        return self.remotes[function].remote(*args)

    def follow(self, futures: list[Any], function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call that takes the results of other calls: Ray waits for these itself."""
        return self.submit(function, *args, *futures)

    def result(self, future: Any) -> Any:
        """Waits for a call."""
        return self.ray.get(future)

    def close(self) -> None:
        """Ends the cluster."""
        self.ray.shutdown()


class Dask(Pooled):
    """dask.distributed on this machine."""

    slowness = 40

    def __init__(self, children: int) -> None:
        import distributed

        self.children = children
        self.client = distributed.Client(
            n_workers=children, threads_per_worker=1, dashboard_address=None, silence_logs=50
        )
        self.many(children * 4)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call."""
        return self.client.submit(function, *args, pure=False)

    def follow(self, futures: list[Any], function: Callable[..., Any], *args: Any) -> Any:
        """Begins a call that takes the results of other calls: Dask waits for these itself."""
        return self.submit(function, *args, *futures)

    def close(self) -> None:
        """Ends the cluster."""
        self.client.close()
        self.client.cluster.close()


PEERS: dict[str, Callable[[int], Any]] = {"loky": Loky, "Ray": Ray, "Dask": Dask}
