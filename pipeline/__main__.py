"""``python -m pipeline`` and the console script ``callring``."""

import atexit
import contextlib
import gc
import os
import sys
import threading
from typing import NoReturn

from pipeline.admin.shadowed import shadowed
from pipeline.terminal.broken_pipe import ReaderGone, watched
from pipeline.terminal.interrupts import INTERRUPTED, remembered

_COMMANDS = ("new", "open", "show")
"""The commands of pipeline.project.commands, which do not load Hydra."""


def main() -> None:
    """Runs the application and exits with its code."""
    # The start makes many objects and no garbage. pipeline.run.job enables the collector again when the run begins.
    gc.disable()
    # NumPy's OpenBLAS threads spin for a tenth of a second before they sleep, on the cores on which the children start.
    # 2**4 cycles is the smallest value.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    try:
        with watched(), remembered():
            code = _run()
    except ReaderGone as gone:
        code = gone.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    _leave(code)


def _run() -> int:
    why = shadowed()
    if why is not None:
        print(f"error: {why}", file=sys.stderr)
        return 1
    # Imported inside the block that handles interrupts: one may come while the libraries load.
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word in _COMMANDS:
        from pipeline.project import commands

        return commands.main(sys.argv[1:])
    if word.isalpha():
        from pipeline.config.suggest import near

        hint = near(word, _COMMANDS)
        if hint:
            print(f"error: {word}: no such command{hint}", file=sys.stderr)
            return 1
    from pipeline import app

    return app.main()


def _leave(code: int) -> NoReturn:
    """Ends the process like ``sys.exit``, but without the destruction of its modules.

    The destruction costs time: with ``sys.exit``, a run of one small task takes 653 ms of CPU time instead of 600, and
    50 ms longer (medians of 20 interleaved pairs, two busy cores).
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None if it was closed
            with contextlib.suppress(OSError):
                stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
