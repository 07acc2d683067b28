"""``python -m pipeline`` and the console script ``callring``."""

import sys


def main() -> None:
    """Runs the application and exits with its code."""
    try:
        # Here, because an interrupt may come while the libraries are still being loaded.
        from pipeline import app

        code = app.main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
