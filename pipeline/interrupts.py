"""Interrupts that are not forgotten: a library may swallow the exception that an interrupt raises.

Importing numpy.random does, for instance, when the interrupt comes while one of its extension modules loads. So it is
noted, too, that an interrupt came, and ``check`` raises again where a run would go on.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_seen = threading.Event()


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """While the block runs, an interrupt raises KeyboardInterrupt and is noted.

    Leaves alone what somebody else has arranged: another handler, interrupts that are ignored, or another thread.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _seen.clear()
    signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def check() -> None:
    """Raises KeyboardInterrupt if an interrupt came, even if its exception was lost."""
    if _seen.is_set():
        raise KeyboardInterrupt


def _note(number: int, frame: FrameType | None) -> None:
    _seen.set()
    signal.default_int_handler(number, frame)
