"""The interface of concurrent.futures over the sub-workers of a Worker."""


def __getattr__(name: str) -> object:
    """Imports Executor when it is first used: a sub-worker needs only the module that executes calls."""
    if name == "Executor":
        from runtime.executor.executor import Executor

        return Executor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
