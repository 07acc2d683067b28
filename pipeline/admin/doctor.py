"""The checks of stage=doctor: each reports its finding and, if something is wrong, what to do."""

from __future__ import annotations

import fcntl
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.admin.finding import Finding
from pipeline.building.store import KINDS, Store, chosen_store
from pipeline.common.places import unusable
from runtime.errors import ConfigurationError
from runtime.packages import install_line

if TYPE_CHECKING:
    from pipeline.config.topology import Level

PYTHONS = range(11, 16)
"""The minor versions of Python 3 that ``requires-python`` allows; the tests run with each of them."""
_OPEN_FILES = 4096
"""A chip takes about four descriptors; the usual limit of 1024 is enough for some two hundred chips."""
_PACKAGES = ("hydra-core", "omegaconf", "numpy", "cloudpickle", "pybind11", "rich")
_EXTRAS = {"sweep": ("duckdb",), "ray": ("ray",), "docs": ("sphinx",), "dev": ("pytest", "hypothesis", "mypy")}


def findings(store: str, tree: Level) -> Iterator[Finding]:
    """All findings, in reading order.

    Args:
        store: the value of ``store.path``.
        tree: the topology, whose engine is checked.
    """
    for check in (_versions, _core, _compilers, _kernel, _machine, _limits, _places):
        yield from check()
    if tree.engine.is_remote:
        from pipeline.admin.engine import engine_findings

        yield from engine_findings(tree)
    try:
        root = chosen_store(store)
    except ConfigurationError as error:
        yield Finding("store", "folder", "missing", error.args[0], "store.path=FOLDER, or export CALLRING_STORE=FOLDER")
        return
    yield from _store(root)


def _versions() -> Iterator[Finding]:
    python = platform.python_version()
    fits = sys.version_info[0] == 3 and sys.version_info[1] in PYTHONS
    mend = "" if fits else f"use Python 3.{PYTHONS[0]} to 3.{PYTHONS[-1]}"
    yield Finding("versions", "python", "ok" if fits else "warning", python, mend)
    for package in _PACKAGES:
        found = _version(package)
        yield Finding("versions", package, "ok" if found else "missing", found or "not installed", _pip(package, found))
    for extra, packages in _EXTRAS.items():
        lacking = [package for package in packages if not _version(package)]
        state, mend = ("warning", f"pip install 'callring[{extra}]'") if lacking else ("ok", "")
        yield Finding(
            "versions", f"extra {extra}", state, f"without {', '.join(lacking)}" if lacking else "there", mend
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _pip(package: str, found: str) -> str:
    return "" if found else f"pip install {package}"


def _core() -> Iterator[Finding]:
    from pipeline.building.core import source_digest

    try:
        from runtime import _core
    except ImportError as error:
        yield Finding("core", "extension", "missing", f"cannot be loaded: {error}", "pip install -e .")
        return
    yield Finding("core", "extension", "ok", f"{_core.build_type} {_core.sanitizer}".rstrip())
    digest = source_digest()
    if digest is not None:
        stale = digest != _core.source_digest
        said = "built from other sources; builds of the current ones go into the store" if stale else "up to date"
        yield Finding("core", "sources", "warning" if stale else "ok", said, "pip install -e ." if stale else "")


def _compilers() -> Iterator[Finding]:
    from pipeline.building.core import find_program

    for program, needed in (("g++", True), ("gcc", True), ("cmake", True), ("ninja", True), ("ccache", False)):
        path = find_program(program)
        state = "ok" if path else "missing" if needed else "warning"
        found = _first_line(path, "--version") if path else "not installed" + ("" if needed else "; builds take longer")
        yield Finding("compilers", program, state, found, "" if path else install_line(program))
    for library in ("libasan.so", "libtsan.so"):
        there = "/" in _first_line("g++", f"-print-file-name={library}") if shutil.which("g++") else False
        yield Finding(
            "compilers",
            library,
            "ok" if there else "warning",
            "there" if there else "no sanitizer builds",
            "" if there else install_line(library),
        )


def _first_line(*command: str | None) -> str:
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=10, check=False)
    except OSError as error:
        return str(error)
    return (done.stdout or done.stderr).partition("\n")[0]


def _kernel() -> Iterator[Finding]:
    newer = "use Linux 5.3 or newer"
    for name, check in (("memfd sealing", _sealing), ("pidfd", _pidfd), ("futex", _futex)):
        try:
            check()
        except (OSError, AttributeError) as error:
            yield Finding("kernel", name, "missing", str(error), newer)
        else:
            yield Finding("kernel", name, "ok", platform.release())


def _sealing() -> None:
    descriptor = os.memfd_create("callring-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(descriptor, b"x")
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        try:
            os.pwrite(descriptor, b"y", 0)
        except PermissionError:
            return
        raise OSError("a sealed memfd can be written")
    finally:
        os.close(descriptor)


def _pidfd() -> None:
    os.close(os.pidfd_open(os.getpid()))


def _futex() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    word = ctypes.c_uint32(0)
    number = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
    # FUTEX_WAKE without FUTEX_PRIVATE_FLAG, as between processes; no thread waits, so none wakes.
    if number is None or libc.syscall(number, ctypes.byref(word), 1, 1, None, None, 0) != 0:
        raise OSError(f"no futex system call is known on {platform.machine()}")


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0))
    few = cores < 2
    said = f"{cores} of {os.cpu_count()} usable"
    yield Finding("machine", "cores", "warning" if few else "ok", said, "give it two or more" if few else "")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    yield Finding("machine", "memory", "ok", f"{memory:.1f} GiB")


def _limits() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft < _OPEN_FILES and soft != resource.RLIM_INFINITY
    mend = f"ulimit -n {min(_OPEN_FILES, hard) if hard != resource.RLIM_INFINITY else _OPEN_FILES}" if few else ""
    yield Finding("limits", "ulimit -n", "warning" if few else "ok", str(soft), mend)
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError:
        yield Finding("limits", "/dev/shm", "ok", "not there, and not needed: shared memory is memfd")
        return
    yield Finding("limits", "/dev/shm", "ok", f"{free / (1 << 20):.0f} MiB free; not needed: shared memory is memfd")


def _places() -> Iterator[Finding]:
    home = os.environ.get("HOME")
    why = "HOME is not set" if not home else unusable(Path(home))
    state = "warning" if why else "ok"
    yield Finding("places", "home", state, why or str(home), "export HOME=FOLDER, or store.path=FOLDER" if why else "")
    try:
        here = Path.cwd()
    except OSError as error:
        yield Finding("places", "working directory", "missing", str(error.strerror), "cd to an existing folder")
        return
    why = unusable(here)
    mend = "hydra.run.dir=FOLDER, or cd to a folder of yours" if why else ""
    yield Finding("places", "working directory", "missing" if why else "ok", why or str(here), mend)


def _store(root: Path) -> Iterator[Finding]:
    why = unusable(root)
    if why:
        yield Finding(
            "store", "folder", "missing", f"{root}: {why}", "store.path=FOLDER, or export CALLRING_STORE=FOLDER"
        )
        return
    stores: dict[str, Store] = {kind: Store(root, kind) for kind in KINDS}
    entries = [entry for store in stores.values() for entry in store.entries()]
    size = sum(entry.size for entry in entries) / (1 << 20)
    yield Finding("store", "folder", "ok", f"{root}: {len(entries)} entries, {size:.1f} MiB")
    damaged = [entry for entry in entries if stores[entry.kind].is_damaged(entry.key)]
    said = (
        f"{len(damaged)} damaged: {', '.join(entry.key[:8] for entry in damaged)}"
        if damaged
        else "every entry is whole"
    )
    remove = f"rm -r {' '.join(str(root / entry.kind / entry.key) for entry in damaged)}" if damaged else ""
    yield Finding("store", "health", "warning" if damaged else "ok", said, remove)


Check = Callable[[], Iterator[Finding]]
