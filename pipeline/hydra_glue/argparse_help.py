"""Lets Hydra 1.3 describe its options on Python 3.14 and newer.

Since Python 3.14 argparse checks a help text when the option is added, and refuses one that is no string ("badly formed
help string"). Hydra 1.3 gives its option ``--shell-completion`` an object that becomes text only when it is printed, so
that every command would end in a traceback: https://github.com/hydra-ecosystem/hydra/issues/3121.

Hydra 1.4 has fixed this. Remove the module when ``pyproject.toml`` allows no older version.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from pipeline.hydra_glue.versions import HYDRA


def needed() -> bool:
    """Whether this Python checks help texts early, and this Hydra has one that is no string yet."""
    return HYDRA < (1, 4) and hasattr(argparse.ArgumentParser, "_check_help")


@contextlib.contextmanager
def unfinished_help_allowed() -> Iterator[None]:
    """While the block runs, argparse checks only help texts that are strings; others become strings when printed."""
    if not needed():
        yield
        return
    parser: Any = argparse.ArgumentParser
    check = parser._check_help

    def check_texts(self: argparse.ArgumentParser, action: argparse.Action) -> None:
        if isinstance(action.help, str):
            check(self, action)

    parser._check_help = check_texts
    try:
        yield
    finally:
        parser._check_help = check
