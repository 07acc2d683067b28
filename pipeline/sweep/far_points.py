"""The far side of a sweep: the object in a process of another machine, in which points run one after another.

A point runs there as with the launcher ``in_process``, so consecutive points with one topology share their Workers.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import shutil
import sys
import tarfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from hydra.core.utils import JobReturn, JobRuntime, setup_globals

from pipeline.common import outcome
from pipeline.common.places import run_directory_written
from pipeline.exit_codes import exit_code_of, message_of
from pipeline.run.worker_pool import WARM
from pipeline.sweep.in_process import run_point
from pipeline.sweep.progress import SweepProgress, shown
from runtime.hosting.facts import Facts, facts_of_this_process

_COMPARED = ("Python", "cloudpickle", "hydra-core", "omegaconf", "core", "files")
_DIGESTED = {"core": "the core of Callring", "files": "the Python code of Callring"}
"""The facts that are digests, in words."""


class Settings(NamedTuple):
    """What all points of a sweep have in common."""

    folder: str
    """The current folder of the sweep."""
    search_path: list[str]
    arguments: list[str]
    """The command line."""
    environment: dict[str, str]
    """Variables that are set for the points."""
    name: str
    """The name of the job, as Hydra has it."""


class Ran(NamedTuple):
    """How a point ended on its machine."""

    code: int
    """Its exit code."""
    failure: str
    """The error, if the application did not return the code."""
    out: str
    err: str
    files: bytes | None
    """Its run directory as a tar file, if the machine of the sweep does not have it."""


class FarPoints:
    """Runs points on this machine. One thread at a time calls its methods; ``clock`` may run beside any other."""

    def hello(self, settings: Settings) -> tuple[Facts, str]:
        """Takes the settings of a sweep. Returns the facts of this machine, and why it can run no point, if so."""
        sys.path += [path for path in settings.search_path if path not in sys.path and Path(path).exists()]
        try:
            os.chdir(settings.folder)
        except OSError as error:
            words = f"{settings.folder}: {error.strerror}: a machine needs the folder in which the sweep is started"
            return facts_here(), words
        os.environ.update(settings.environment)
        outcome.arguments[:] = settings.arguments
        JobRuntime.instance().set("name", settings.name)
        setup_globals()
        return facts_here(), ""

    def point(self, mark: str, job: bytes) -> bytes:
        """Runs a point, and returns a pickled Ran: the engine's own process reads none of it.

        Args:
            mark: a file in the folder of the sweep: if it is here, too, this machine shares the folder with that of the
                sweep. Otherwise the run directory is removed here, and returned.
            job: the pickled arguments of ``run_point``.
        """
        out, err = io.StringIO(), io.StringIO()
        files = None
        # The line of an ended point is printed by the sweep, so it goes nowhere here.
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), shown(SweepProgress((), 0), "quiet"):
            try:
                ended = run_point(*pickle.loads(job))
                if not Path(mark).exists():
                    files = _taken(ended)
                returned = ended._return_value
            except Exception as error:
                returned = error
        if isinstance(returned, Exception):
            ran = Ran(exit_code_of(returned), message_of(returned), out.getvalue(), err.getvalue(), files)
        else:
            ran = Ran(returned, "", out.getvalue(), err.getvalue(), files)
        return pickle.dumps(ran)

    def clock(self) -> int:
        """This machine's CLOCK_MONOTONIC, in nanoseconds. The answer also shows that the process lives."""
        return time.monotonic_ns()

    def close(self) -> None:
        """Ends the Workers that no point uses any more."""
        WARM.close()


def facts_here() -> Facts:
    """What this process reports of its machine."""
    versions = {name: version(name) for name in ("hydra-core", "omegaconf")}
    return facts_of_this_process() | versions | {"files": _digest_of_our_files()}


def differences(mine: Facts, theirs: Facts) -> list[str]:
    """How a machine differs from this one so that points cannot run there, or would run other code."""
    found = []
    for name in _COMPARED:
        if mine[name] != theirs[name]:
            values = f"is {theirs[name]} there and {mine[name]} here"
            found.append(f"{_DIGESTED[name]} differs there" if name in _DIGESTED else f"{name} {values}")
    return found


def unpack(files: bytes, folder: Path) -> None:
    """Writes a run directory that came home. Raises ConfigurationError if the folder cannot be written."""
    with run_directory_written(folder, sweep=True), tarfile.open(fileobj=io.BytesIO(files)) as archive:
        # Python 3.11.2 (Debian 12) knows no filters. The machine runs this user's code: its files are trusted.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)


def _taken(ended: JobReturn) -> bytes | None:
    """The run directory of a point, which is removed from this machine; None if it could not be made."""
    assert ended.hydra_cfg is not None
    folder = Path(ended.hydra_cfg.hydra.runtime.output_dir)
    if not folder.is_dir():
        return None
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, "")
    shutil.rmtree(folder)
    with contextlib.suppress(OSError):  # other points may be in it
        folder.parent.rmdir()
    return packed.getvalue()


def _digest_of_our_files() -> str:
    digest = hashlib.sha256()
    for package in ("pipeline", "runtime"):
        root = Path(sys.modules[package].__path__[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{package}/{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
