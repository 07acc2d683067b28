"""``python -m pipeline`` and the console script ``callring``."""

import sys

from pipeline import app


def main() -> None:
    """Runs the application and exits with its code."""
    sys.exit(app.main())


if __name__ == "__main__":
    main()
