"""joblib's ``Parallel``, and with it scikit-learn, over an Executor. Importing this module imports joblib.

Example:
    >>> register_callring()
    >>> with joblib.parallel_config(backend="callring", n_jobs=2):
    ...     joblib.Parallel()(joblib.delayed(pow)(2, exponent) for exponent in range(4))
    [1, 2, 4, 8]
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import joblib
from joblib.parallel import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend

from runtime.executor.executor import Executor

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.executor.future import Future


def register_callring() -> None:
    """Makes ``backend="callring"`` known to ``joblib.parallel_config`` and ``joblib.Parallel``. Safe to repeat."""
    joblib.register_parallel_backend("callring", CallringBackend)


class CallringBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs batches of joblib's tasks in sub-workers, which are kept for the next ``Parallel``.

    Args:
        executor: runs the batches; None: an Executor of ``n_jobs`` workers that all backends share.
        more: further arguments that joblib passes to every backend.
    """

    supports_retrieve_callback = True
    default_n_jobs = -1

    def __init__(self, executor: Executor | None = None, **more: Any) -> None:
        super().__init__(**more)
        self._given = executor
        self._executor = executor
        self._futures: weakref.WeakSet[Future[Any]] = weakref.WeakSet()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """The number of workers that ``n_jobs`` stands for, as joblib defines it. Raises ValueError for 0."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        most = self._given._max_workers if self._given else joblib.cpu_count()
        return max(most + 1 + n_jobs, 1) if n_jobs < 0 else n_jobs

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        """Called before each ``Parallel`` call: chooses the Executor, and returns its number of workers."""
        count = self.effective_n_jobs(n_jobs)
        if count == 1 and self._given is None:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self._executor = self._given or _shared(count)
        self.parallel = parallel
        return count

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], None] | None = None) -> Future[Any]:
        """Submits one batch."""
        assert self._executor is not None
        future = self._executor.submit(func)
        self._futures.add(future)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Future[Any]) -> Any:
        """The batch's results. Raises the exception of the batch."""
        return future.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancels the batches of a failed ``Parallel`` call, running ones included; their workers are replaced."""
        for future in list(self._futures):
            future.cancel(running=True)

    def terminate(self) -> None:
        """Called after each ``Parallel`` call. The workers are kept for the next one."""
        self._futures.clear()
        self.reset_batch_stats()


_lock = threading.Lock()
_kept: list[Executor] = []


def _shared(count: int) -> Executor:
    """The Executor that all backends share. It is replaced when ``count`` differs from its number of workers."""
    with _lock:
        if not _kept or _kept[0]._max_workers != count or not _kept[0]._stream.accepts:
            for old in _kept:
                old.shutdown(wait=False)
            _kept[:] = [Executor(count)]
        return _kept[0]
