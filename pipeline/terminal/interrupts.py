"""Remembers interrupts: a library may swallow the exception of an interrupt.

Importing numpy.random does, for instance, when the interrupt comes while one of its extension modules loads. So each
interrupt is also recorded, and ``check`` raises it again before a run continues.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

INTERRUPTED = 130
"""The exit code that shells report for a process that an interrupt ended."""

_seen = threading.Event()


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """While the block runs, an interrupt raises KeyboardInterrupt and is recorded.

    Changes nothing if another handler is installed, if interrupts are ignored, or in another thread.

    Raises:
        KeyboardInterrupt: also instead of an exception that an interrupt caused, see ``restored``.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _seen.clear()
    signal.signal(signal.SIGINT, _note)
    tell = sys.unraisablehook
    # An interrupt in a finalizer or in a callback of a weak reference cannot be raised there: check() raises it later.
    sys.unraisablehook = lambda lost: None if lost.exc_type is KeyboardInterrupt else tell(lost)
    try:
        with restored():
            yield
    finally:
        sys.unraisablehook = tell
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # After an interrupt during exec of a string (dataclasses use that), Python would end with SIGINT for any exit
        # code, also if the interrupt was caught. Another exec resets this.
        exec("")


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Raises KeyboardInterrupt for any exception of the block that comes after an interrupt.

    For instance, a native module raises ImportError if it is interrupted while it loads.
    """
    try:
        yield
    except Exception as error:
        if _seen.is_set():
            raise KeyboardInterrupt from error
        raise


def check() -> None:
    """Raises KeyboardInterrupt if an interrupt came, even if its exception was lost."""
    if _seen.is_set():
        raise KeyboardInterrupt


def _note(number: int, frame: FrameType | None) -> None:
    _seen.set()
    signal.default_int_handler(number, frame)
