"""The parser of the command line: Hydra's own, on every Python, with Callring's version."""

from __future__ import annotations

import argparse
import contextlib
import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from hydra._internal import utils

from pipeline.hydra_glue.argparse_help import unfinished_help_allowed

# hydra.main is also the name of a function: only the import system returns the module.
_PLACES: tuple[Any, ...] = (utils, import_module("hydra.main"))
"""The modules that make a parser, for completions and for all other commands."""


def _versions() -> str:
    from importlib.metadata import version  # imported here: it imports the package email

    beside = f"Hydra {version('hydra-core')}, OmegaConf {version('omegaconf')}"
    return f"Callring {version('callring')} (Python {platform.python_version()}, {beside})"


@contextlib.contextmanager
def parsed_by_us() -> Iterator[None]:
    """While the block runs, Hydra applications parse their command line with Callring's parser."""
    theirs = utils.get_args_parser

    def ours() -> argparse.ArgumentParser:
        with unfinished_help_allowed():
            parser = theirs()
        if "--version" in sys.argv:  # looking versions up takes milliseconds
            for action in parser._actions:
                if isinstance(action, argparse._VersionAction):
                    action.version = _versions()
        return parser

    for place in _PLACES:
        place.get_args_parser = ours
    try:
        yield
    finally:
        for place in _PLACES:
            place.get_args_parser = theirs
