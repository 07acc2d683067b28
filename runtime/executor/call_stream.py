"""CallStream: connects an Executor to the engine. It holds the futures, and the thread that settles them.

Each Executor has one thread that takes ended calls from the engine, in batches, and settles their futures. The thread
sleeps in the engine and wakes up only when a call has ended. A thread that waits for a future settles that future
itself, unless callbacks are attached: these run on the Executor's thread.

Guarantees: every future that submit() returned is settled, also when the Worker is closed or the interpreter ends.
The Executor's thread and a waiting thread may both notice the end of a call, and either may be interrupted: the first
one settles the future, and the second changes nothing.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from runtime import _core
from runtime.errors import ControlTimeout, WorkerClosed
from runtime.executor.future import Future
from runtime.executor.pickled_call import CallPickler, Calls
from runtime.failure import native_errors, no_room, translate
from runtime.identity import TargetNamespace
from runtime.pickles.outcomes import add_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.worker import Worker

_LOGGER = logging.getLogger("concurrent.futures")  # the logger of the standard library's executors
_LOST = _core.CODES["worker_lost"]
_BACK_PRESSURE = _core.CODES["back_pressure"]


_MEMORY_PAUSE = 0.05
"""Seconds after which an Executor's thread that lacked the memory to settle futures tries again."""


class CallStream:
    """The calls of one Executor.

    Args:
        worker: a started Worker with sub-workers.
        owned: whether to close the Worker when the last call has ended.
        calls: the callable that executes the calls in the sub-workers.
    """

    def __init__(
        self,
        worker: Worker,
        owned: bool,
        calls: Calls,
    ) -> None:
        session = worker._session
        session.require_ready("make an Executor")
        self.worker = worker
        self._owned = owned
        self._engine = session.engine
        self._failures = session.failures
        self._handle = worker.register(calls)
        self._callable = session.registry.resolve(self._handle, TargetNamespace.LOCAL_PYTHON, "submit")
        self._pickler = CallPickler()
        self._refusal: str | None = None  # why new calls are refused
        self._forked = False  # this process is a fork of the one that made the stream
        # Reentrant: the garbage collector may, under this lock, run a finalizer that seals this stream.
        self._lock = threading.RLock()
        self._futures: dict[_core.Task, Future[Any]] = {}
        self._native = self._engine.begin_stream()
        thread = threading.Thread(target=self._serve, name="callring-executor")
        self._thread: threading.Thread | None = thread  # None: it has ended, and was joined
        _streams.add(self)
        thread.start()

    @property
    def accepts(self) -> bool:
        """Whether new calls are accepted."""
        return self._refusal is None

    def _new_future(self, function: bytes, label: str) -> Future[Any]:
        try:
            return Future(self, function, label)
        except RuntimeError as error:  # CPython raises it when there is no memory for the lock of a condition
            raise MemoryError(str(error)) from error

    # ---- submitting ------------------------------------------------------------------------------------------------

    def submit(
        self, fn: Callable[..., Any], pack: Callable[[CallPickler], tuple[bytes, bytes]], config: _core.CallConfig
    ) -> Future[Any]:
        """Submits the call that ``pack`` pickles; see Executor.submit."""
        label = getattr(fn, "__qualname__", type(fn).__name__)
        if self._refusal is not None:
            raise RuntimeError(self._refusal)
        try:
            call, function = pack(self._pickler)
        except KeyboardInterrupt:  # from the user; errors of the pickled values' methods are handled below
            raise
        except BaseException as error:
            return self._unpicklable(error, label)
        future = self._new_future(function, label)
        while True:
            with self._lock:
                if self._refusal is not None:
                    raise RuntimeError(self._refusal)
                try:
                    task = self._engine.submit_opaque(self._native, self._callable, call, config)
                except native_errors() as error:
                    refused = error
                else:
                    future._task = task
                    self._futures[task] = future
                    return future
            if refused.args[0] != _BACK_PRESSURE:
                raise translate(refused, operation="submit")
            self._wait_for_room(refused.args[1])

    def _unpicklable(self, error: BaseException, label: str) -> Future[Any]:
        future = self._new_future(b"", label)
        add_note(error, f"while pickling a call of {label}")
        future.set_exception(error)
        return future

    def _wait_for_room(self, situation: str) -> None:
        timeout = self.worker.options.submit_timeout
        if not self._engine.wait_for_room(timeout):
            raise no_room(situation, timeout, "max_pending_tasks", instead="submit less at once")

    # ---- one future ------------------------------------------------------------------------------------------------

    def wait(self, future: Future[Any], task: _core.Task, timeout: float | None) -> None:
        """Waits for one call, and settles its future."""
        try:
            if self._engine.wait_for_task(task, timeout):
                self._settle(future, task)
        except BaseException:
            self._engine.hand_over(task)
            raise

    def cancel(self, future: Future[Any], task: _core.Task) -> bool:
        """Withdraws one call. Returns whether it was withdrawn."""
        withdrawn = self._engine.cancel_task(task)
        if withdrawn:
            self._settle(future, task)
        return withdrawn

    def end_running(self, task: _core.Task, code: int) -> bool:
        """Ends the process that runs a call; the call ends with ``code``. Returns whether a process runs it."""
        return self._engine.end_running(task, code)

    def running(self, task: _core.Task) -> bool:
        """Whether the call has begun and has not ended."""
        return self._engine.running(task)

    def no_memory(self, task: _core.Task, label: str, hashid: str | None) -> BaseException:
        """The error of a call whose value does not fit into memory; see error_of."""
        return self._failures.no_memory(task, label, hashid)

    def error_of(self, task: _core.Task, label: str, hashid: str | None) -> BaseException | None:
        """The error of an ended call. It names the user's function, not the callable that executes calls."""
        return self._failures.error_of(task, label, hashid)

    def _settle(self, future: Future[Any], task: _core.Task) -> None:
        future._settle(task)
        with self._lock:
            self._futures.pop(task, None)

    # ---- the end ---------------------------------------------------------------------------------------------------

    def seal(self, why: str) -> None:
        """Refuses new calls from now on. The Executor's thread ends after the last one."""
        if self._forked:
            return
        with self._lock:
            if self._refusal is None:
                self._refusal = why
        self._engine.seal(self._native)

    def cancel_all(self) -> None:
        """Withdraws every call that has not begun."""
        with self._lock:
            waiting = list(self._futures.items())
        for task, future in reversed(waiting):  # withdrawing the newest call first is the cheapest order for the engine
            self.cancel(future, task)

    def end(self, signal: int | None) -> None:
        """Cancels waiting calls, and kills the processes of running ones. If the Executor owns its Worker, it first
        sends ``signal`` to these processes, and gives them ``close_timeout`` seconds to end.
        """
        self.seal("cannot schedule new futures: the workers were ended")
        self.cancel_all()
        with self._lock:
            rest = list(self._futures.items())
        if signal is not None and self._owned:
            for task, _ in rest:
                self._engine.signal_running(task, signal)
            concurrent.futures.wait([future for _, future in rest], self.worker.options.close_timeout)
        for task, _ in rest:
            self.end_running(task, _LOST)
        self.join()

    def join(self) -> None:
        """Waits until every future is settled and the Executor's own Worker, if it has one, is closed."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            self._thread = None  # an Executor that is kept after its end keeps no thread

    def _serve(self) -> None:
        """Runs on the Executor's thread: settles futures until the stream is sealed and empty."""
        while True:
            try:
                ended = self._engine.take_ended(self._native)
                if not ended:
                    break
                self._settle_all(ended)
                del ended
            except MemoryError:
                if self._engine.torn:
                    break
                time.sleep(_MEMORY_PAUSE)  # other threads or processes may free memory
        self._settle_rest()
        if self._owned:
            self.worker.close()
        else:
            self._unregister()

    def _settle_all(self, ended: list[_core.Task]) -> None:
        for task in ended:
            with self._lock:
                future = self._futures.pop(task, None)
            if future is not None and future._task is not None:
                try:
                    future._settle(task)
                except BaseException:  # a callback that exits must not end the thread that all other futures need
                    _LOGGER.exception("exception calling callback for %r", future)

    def _settle_rest(self) -> None:
        """Fails the futures that are left: the engine is closed and reports no more calls."""
        with self._lock:
            self._refusal = self._refusal or "cannot schedule new futures: the Worker is closed"
            rest = list(self._futures.values())
            self._futures.clear()
        for future in rest:
            future._task = None
            future.set_exception(WorkerClosed("the Worker was closed before the call had ended", operation="run"))

    def _unregister(self) -> None:
        with contextlib.suppress(ControlTimeout, WorkerClosed):  # the handle is released in both cases
            self.worker.unregister(self._handle)


_streams: weakref.WeakSet[CallStream] = weakref.WeakSet()


def _finish_at_exit() -> None:
    """Lets all submitted calls be executed before the interpreter ends, as CPython's executors do."""
    streams = list(_streams)
    for stream in streams:
        stream.seal("cannot schedule new futures after interpreter shutdown")
    for stream in streams:
        stream.join()


def _forget_in_fork() -> None:
    """Refuses calls in a forked process, which has neither the Executor's thread nor its children."""
    for stream in list(_streams):
        stream._forked = True
        stream._refusal = "cannot schedule new futures in a forked process: make an Executor there"
    _streams.clear()


# Runs before the interpreter joins its threads, the Executor's among them. An atexit function would run too late.
threading._register_atexit(_finish_at_exit)  # type: ignore[attr-defined]
os.register_at_fork(after_in_child=_forget_in_fork)
