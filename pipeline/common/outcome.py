"""The command line of this process, and the exit codes of the jobs that it runs."""

from __future__ import annotations

codes: list[int] = []
"""Exit codes of this process's jobs, and of sweeps with jobs in other processes. The command exits with the highest."""

arguments: list[str] = []
"""The arguments of the command, unchanged."""
