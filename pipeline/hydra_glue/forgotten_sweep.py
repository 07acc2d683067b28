"""Refuses a sweep without ``-m``, and shows the right command.

Without ``-m`` Hydra would silently run only one point.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


def sweep_line(arguments: Sequence[str]) -> str:
    """The command that sweeps.

    Args:
        arguments: the arguments without ``-m``.
    """
    return shlex.join([*program_words(), "-m", *arguments])


def program_words() -> list[str]:
    """The command that started this program."""
    return ["callring"] if Path(sys.argv[0]).name == "callring" else ["python", "-m", "pipeline"]


def refuse_forgotten(hydra: Any, arguments: Sequence[str]) -> None:
    """Refuses a single run whose configuration is that of a sweep.

    A user's own primary config may be both: there ``-m`` is a choice.

    Args:
        hydra: the section ``hydra`` of the composed configuration.
        arguments: the command line.

    Raises:
        ConfigurationError: ``-m`` is missing.
    """
    if hydra.job.config_name != "config":
        return
    swept = list(hydra.sweeper.get("params") or ())
    if swept:
        raise ConfigurationError(
            f"this configuration is a sweep over {', '.join(map(str, swept))}, of which one point would run: "
            f"write {sweep_line(arguments)}"
        )
