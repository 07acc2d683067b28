"""``python -m pipeline`` and the console script ``callring``."""

import atexit
import gc
import os
import sys
from typing import NoReturn


def main() -> None:
    """Runs the application and exits with its code."""
    # Until the run itself begins (pipeline.job), which collects again: start-up makes many objects and no garbage.
    gc.disable()
    try:
        # Here, because an interrupt may come while the libraries are still being loaded.
        from pipeline import app

        code = app.main()
    except KeyboardInterrupt:
        code = 130
    _end(code)


def _end(code: int) -> NoReturn:
    """Ends the process as ``sys.exit`` does, but does not take every module apart before: the kernel is faster."""
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads the output any more
        code = code or 1
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
