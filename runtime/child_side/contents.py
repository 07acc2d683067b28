"""The contents that tasks wrote and that stay on their hosts, as the hosting server knows them.

A content is named by the run and the view that it was written to. It is there until its bytes come home or are
written again, and at most until its run has ended. How a lost one is made again: runtime/child_side/recipes.py.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from runtime.child_side.recipes import numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.child_side.far_arguments import Key
    from runtime.child_side.hosted import Hosted
    from runtime.child_side.recipes import Content


class Contents:
    """The newest content of each view of each run. Threads may use it at the same time."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._by_run: dict[int, dict[tuple[Any, ...], Content | None]] = {}  # None: it is at home

    def keep(self, content: Content) -> None:
        """Notes a content, in place of what its view had."""
        with self.lock:
            views = self._by_run.setdefault(content.key.run, {})
            _give_up(views.get(content.key.view))
            views[content.key.view] = content

    def find(self, key: Key) -> Content | None:
        """The content with this name; None: it has come home. Raises KeyError if there was none."""
        with self.lock:
            return self._by_run[key.run][key.view]

    def has(self, key: Key) -> bool:
        """Whether the content with this name is away from home."""
        with self.lock:
            return self._by_run.get(key.run, {}).get(key.view) is not None

    def bring(self, key: Key) -> None:
        """Notes that a content is at home."""
        with self.lock:
            views = self._by_run[key.run]
            _give_up(views[key.view])
            views[key.view] = None

    def drop(self, contents: Iterable[Content]) -> None:
        """Forgets contents. One that was written again meanwhile is not there any more, and the new one stays."""
        with self.lock:
            for content in contents:
                if self._is_newest(content):
                    del self._by_run[content.key.run][content.key.view]
                _give_up(content)

    def forget(self, runs: Iterable[int]) -> None:
        """Drops all contents of runs that have ended."""
        with self.lock:
            for run in runs:
                for content in self._by_run.pop(run, {}).values():
                    _give_up(content)

    def pin(self, contents: Iterable[Content]) -> None:
        """Has the bytes of these contents stay, once they are there, until they are unpinned."""
        with self.lock:
            for content in contents:
                content.pins += 1

    def unpin(self, contents: Iterable[Content]) -> None:
        """Ends pin()."""
        with self.lock:
            for content in contents:
                content.pins -= 1
                if not self._is_newest(content):
                    _give_up(content)

    def made_again(self, content: Content, ref: Any, hosted: Hosted) -> None:
        """Notes where a lost content is now, if it is wanted."""
        with self.lock:
            if not content.is_here and (content.pins or self._is_newest(content)):
                content.ref, content.hosted, content.number = ref, hosted, next(numbers)

    def count(self, hosted: Hosted) -> int:
        """How many contents a host keeps."""
        return sum(content.hosted is hosted for content in self._all())

    def resident_bytes(self, hosted: Hosted | None = None) -> int:
        """Bytes of the contents on a host, or on all hosts that are not lost."""
        return sum(
            content.nbytes
            for content in self._all()
            if (content.hosted is hosted if hosted is not None else not content.hosted.lost)
        )

    def _is_newest(self, content: Content) -> bool:
        return self._by_run.get(content.key.run, {}).get(content.key.view) is content

    def _all(self) -> list[Content]:
        with self.lock:
            return [content for views in self._by_run.values() for content in views.values() if content is not None]


def _give_up(content: Content | None) -> None:
    if content is not None and not content.pins:
        content.ref = None
