"""The commands ``callring new``, ``callring open`` and ``callring show``."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.common.places import shown_path
from pipeline.exit_codes import CONFIGURATION, OK
from pipeline.project.left import find_left, named, newest_page
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Runs one of the commands. Returns the exit code."""
    try:
        given = _parser().parse_args(arguments)
    except SystemExit as usage:
        # argparse has printed the error. Its exit code 2 has no meaning here.
        return CONFIGURATION if usage.code else OK
    try:
        if given.command == "new":
            return _new(given.name)
        if given.command == "open":
            return _open(given.run)
        return _show(given.runs, everything=given.all)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return CONFIGURATION


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="callring", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="writes a working project: configs, a kernel, the expected result, a test")
    new.add_argument("name", metavar="NAME", help="name of the folder, the workload and the kernel")
    last = commands.add_parser("open", help="opens the report of a run, or the page of a sweep, in a browser")
    last.add_argument("run", metavar="RUN", nargs="?", help="its folder or a part of its name; default: the last run")
    show = commands.add_parser("show", help="lists the runs below this folder; shows one; compares two")
    show.add_argument(
        "runs", metavar="RUN", nargs="*", help="one run to show, or the earlier and the later one to compare"
    )
    show.add_argument("--all", action="store_true", help="all runs, not only the latest")
    return parser


def _new(name: str) -> int:
    from pipeline.project.new import write_project

    folder = Path(name)
    for file, words in write_project(folder):
        print(f"{'written':<12}{shown_path(file):<40}  {words}")
    print(f"{'next':<12}cd {name} && callring")
    return OK


def _open(name: str | None) -> int:
    page = newest_page(Path.cwd()) if name is None else named(name, find_left(Path.cwd())).page
    if page is None or not page.is_file():
        what = "no run below this folder has a report" if name is None else f"{name} has no report"
        raise ConfigurationError(f"open: {what}; run callring to make one")
    print(f"{'report':<12}{shown_path(page)}")
    if webbrowser.open(page.resolve().as_uri()):
        return OK
    raise ConfigurationError("open: no browser can be started here; open the file in a browser yourself")


def _show(names: Sequence[str], *, everything: bool) -> int:
    from pipeline.project import show

    left = find_left(Path.cwd())
    if not names:
        sys.stdout.write(show.listed(left, everything=everything))
    elif len(names) == 1:
        sys.stdout.write(show.one(named(names[0], left)))
    elif len(names) == 2:
        show.compare(named(names[0], left), named(names[1], left), sys.stdout)
    else:
        raise ConfigurationError(f"show: {len(names)} runs; two can be compared, the earlier first")
    return OK
