"""The project in the current folder: plain ``callring`` runs its primary config."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONFIGS = "conf"
"""The folder of a project's configs. Run directories lie outside it, where Hydra does not search for groups."""
PRIMARY = "callring.yaml"
_CHOSEN = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp")


def within_project(arguments: Sequence[str], folder: Path) -> list[str]:
    """The command line, with the options that select the project in ``folder`` first.

    It is unchanged if there is no project, or if it chooses its configs itself.

    Raises:
        ConfigurationError: the primary config is another user's.
    """
    primary = folder / CONFIGS / PRIMARY
    chosen = any(argument.partition("=")[0] in _CHOSEN for argument in arguments)
    if chosen or not primary.is_file():
        return list(arguments)
    if primary.stat().st_uid not in (0, os.getuid()):
        raise ConfigurationError(
            f"{CONFIGS}/{PRIMARY} in this folder belongs to another user; if you trust it: "
            f"--config-dir={CONFIGS} --config-name={primary.stem}"
        )
    return [f"--config-dir={CONFIGS}", f"--config-name={primary.stem}", *arguments]
