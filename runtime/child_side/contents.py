"""The contents that tasks wrote and that stay on their hosts, as the hosting server knows them.

A content is named by the run and the view that it was written to. It is there until its bytes come home or are
written again, and at most until its run has ended.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.child_side.far_arguments import Key
    from runtime.child_side.hosted import Hosted


@dataclass(slots=True, eq=False)
class Content:
    """One content, which no task changes: a task that writes the same view again makes another one."""

    key: Key
    nbytes: int
    ref: Any
    hosted: Hosted


class Contents:
    """The newest content of each view of each run. Threads may use it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_run: dict[int, dict[tuple[Any, ...], Content]] = {}

    def keep(self, content: Content) -> None:
        """Notes a content, in place of what its view had."""
        with self._lock:
            self._by_run.setdefault(content.key.run, {})[content.key.view] = content

    def find(self, key: Key) -> Content | None:
        """The content with this name."""
        with self._lock:
            return self._by_run.get(key.run, {}).get(key.view)

    def drop(self, contents: Iterable[Content]) -> None:
        """Forgets contents. One that was written again meanwhile is not there any more, and the new one stays."""
        with self._lock:
            for content in contents:
                views = self._by_run.get(content.key.run, {})
                if views.get(content.key.view) is content:
                    del views[content.key.view]
                    if not views:
                        del self._by_run[content.key.run]

    def forget(self, runs: Iterable[int]) -> None:
        """Drops all contents of runs that have ended."""
        with self._lock:
            for run in runs:
                self._by_run.pop(run, None)

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

    def _all(self) -> list[Content]:
        with self._lock:
            return [content for views in self._by_run.values() for content in views.values()]
