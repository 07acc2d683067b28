"""Interrupts that are not forgotten: a library may swallow the exception that an interrupt raises.

Importing numpy.random does, for instance, when the interrupt comes while one of its extension modules loads. So it is
noted, too, that an interrupt came, and ``check`` raises again where a run would go on.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

INTERRUPTED = 130
"""Exit code of a process that an interrupt ended, as shells have it."""

_seen = threading.Event()


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """While the block runs, an interrupt raises KeyboardInterrupt and is noted.

    Leaves alone what others have arranged: another handler, interrupts that are ignored, or another thread.

    Raises:
        KeyboardInterrupt: also in place of what became of one, see ``restored``.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _seen.clear()
    signal.signal(signal.SIGINT, _note)
    tell = sys.unraisablehook
    # One that comes in a finalizer, or where a weak reference ends, can be raised nowhere: check() does later.
    sys.unraisablehook = lambda lost: None if lost.exc_type is KeyboardInterrupt else tell(lost)
    try:
        with restored():
            yield
    finally:
        sys.unraisablehook = tell
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # One that came through exec of a string (dataclasses do that) has left word with Python to die of SIGINT at
        # the end, whatever exit code is given, also if it was caught since. Another exec takes that back.
        exec("")


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Raises KeyboardInterrupt for any exception of the block that comes after an interrupt.

    A module of native code that is interrupted while it loads raises ImportError, for instance.
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
