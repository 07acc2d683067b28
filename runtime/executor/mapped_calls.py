"""Results of many calls of one function, in order or as they end. Each task executes a chunk of the calls."""

from __future__ import annotations

import itertools
import queue
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runtime.executor.future import Future

_T = TypeVar("_T")
_Chunk = tuple[tuple[Any, ...], ...]


class Ask(Generic[_T]):
    """The chunks of arguments that are still to be submitted, one task for each chunk.

    Args:
        submit: submits one chunk.
        arguments: positional arguments of each call.
        chunksize: calls in a chunk.
        buffersize: most chunks that are submitted and not consumed; None: all chunks are submitted at once.
    """

    def __init__(
        self,
        submit: Callable[[_Chunk], Future[list[_T]]],
        arguments: Iterable[Iterable[Any]],
        chunksize: int,
        buffersize: int | None,
    ) -> None:
        self._submit = submit
        self._chunks = _chunks(map(tuple, arguments), chunksize)
        self._buffersize = buffersize

    def first(self) -> Iterator[Future[list[_T]]]:
        """Submits the first chunks, up to ``buffersize``."""
        return map(self._submit, itertools.islice(self._chunks, self._buffersize))

    def next(self) -> Iterator[Future[list[_T]]]:
        """Submits one more chunk, if there is one, in place of a consumed one."""
        return map(self._submit, itertools.islice(self._chunks, 0 if self._buffersize is None else 1))


def in_order(ask: Ask[_T], end: float | None) -> Iterator[_T]:
    """Yields the values in the order of the arguments. The first chunks are submitted now.

    Args:
        ask: the calls.
        end: the ``time.monotonic()`` at which to stop waiting; None: never.

    Raises: from the iterator, TimeoutError or the exception of a call; calls that have not begun are then cancelled.
    """
    futures = deque(ask.first())

    def results() -> Iterator[_T]:
        try:
            while futures:
                futures.extend(ask.next())
                values = _taken(futures.popleft(), end)
                values.reverse()
                while values:
                    yield values.pop()  # the generator keeps no reference to a value
        finally:
            for future in futures:
                future.cancel()

    return results()


def unordered_as_they_end(ask: Ask[_T], end: float | None) -> Iterator[_T]:
    """Yields the values of each chunk as soon as its task has ended. Otherwise as in_order."""
    ended: queue.SimpleQueue[Future[list[_T]]] = queue.SimpleQueue()
    pending: set[Future[list[_T]]] = set()

    def expect(futures: Iterator[Future[list[_T]]]) -> None:
        for future in futures:
            pending.add(future)
            future.add_done_callback(ended.put)  # type: ignore[arg-type]

    expect(ask.first())

    def results() -> Iterator[_T]:
        try:
            while pending:
                expect(ask.next())
                future = _next_of(ended, end)
                pending.discard(future)
                values = _taken(future, None)
                del future
                values.reverse()
                while values:
                    yield values.pop()
        finally:
            for future in pending:
                future.cancel()

    return results()


def _chunks(calls: Iterator[tuple[Any, ...]], size: int) -> Iterator[_Chunk]:
    while chunk := tuple(itertools.islice(calls, size)):
        yield chunk


def _next_of(ended: queue.SimpleQueue[Future[list[_T]]], end: float | None) -> Future[list[_T]]:
    try:
        return ended.get(timeout=None if end is None else max(0.0, end - time.monotonic()))
    except queue.Empty:
        raise TimeoutError from None


def _taken(future: Future[_T], end: float | None) -> _T:
    """The future's result. A future that is not done by ``end`` is cancelled."""
    try:
        return future.result(None if end is None else end - time.monotonic())
    finally:
        future.cancel()
        del future
