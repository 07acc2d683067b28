"""The interface of concurrent.futures over the sub-workers of a Worker."""


def __getattr__(name: str) -> object:
    """Executor, under the name by which pickles know it. A sub-worker needs only what executes calls."""
    if name == "Executor":
        from runtime.executor.executor import Executor

        return Executor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
