"""The empty Python callable of the workload small_python_tasks."""

from __future__ import annotations


def nothing(args: object) -> None:
    """Takes any arguments and does nothing."""
    del args
