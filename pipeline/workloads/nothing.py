"""What a Python sub-worker does for the workload small_python_tasks: nothing."""

from __future__ import annotations


def nothing(args: object) -> None:
    """Takes any arguments and does nothing."""
    del args
