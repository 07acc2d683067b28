"""The system calls in the native sources: the table of ``native/common/system_calls.h``, its uses, and other calls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NATIVE = Path(__file__).resolve().parents[2] / "native"
TABLE = NATIVE / "common" / "system_calls.h"
_SEAM = {TABLE, *(NATIVE / "common" / name for name in ("faults.h", "faults.cpp", "faulty_calls.h"))}

WITHOUT_FAILURE = {
    "_exit": "does not return",
    "__errno_location": "errno",
    "clock_gettime": "this clock always exists",
    "dlerror": "returns a message or null",
    "dlinfo": "fails only for an unknown request",
    "eventfd_read": "our eventfds do not block, and the value is not used",
    "eventfd_write": "our eventfds are never full",
    "snprintf": "formats a text into the caller's buffer",
    "fprintf": "writes a message to standard error, which may be missing",
    "fputs": "likewise",
    "fwrite": "likewise: the compiler replaces calls of both with it",
    "perror": "likewise",
    "free": "releases memory",
    "stderr": "the stream of these messages",
    "getpid": "cannot fail",
    "getpriority": "of this thread: cannot fail",
    "sched_getscheduler": "likewise",
    "isatty": "what cannot be asked is no terminal",
    "getppid": "cannot fail",
    "getsid": "of this process: cannot fail",
    "gettid": "cannot fail",
    "posix_spawn_file_actions_destroy": "releases memory",
    "posix_spawn_file_actions_init": "fills in the caller's object; allocates nothing",
    "posix_spawnattr_destroy": "releases memory",
    "posix_spawnattr_init": "likewise",
    "posix_spawnattr_setflags": "fails only for unknown flags",
    "posix_spawnattr_setsigdefault": "copies",
    "posix_spawnattr_setsigmask": "copies",
    "pthread_cond_clockwait": "std::condition_variable; fails only for an unknown clock",
    "pthread_mutex_lock": "std::mutex; fails only if a lock is misused",
    "pthread_mutex_unlock": "likewise",
    "pthread_once": "std::promise; fails only if it is misused",
    "pthread_setname_np": "sets a name that only people read",
    "pthread_sigmask": "fails only for an unknown mode",
    "sched_yield": "cannot fail",
    "sigabbrev_np": "returns a name that only people read, or null",
    "sigdelset": "changes a bit of the caller's set",
    "sigemptyset": "likewise",
    "sigfillset": "likewise",
    **dict.fromkeys(("raise", "sigaction", "signal"), "fails only for unknown signals"),
    "strerror": "returns a message",
    "strtol": "parses a number",
    **dict.fromkeys(("memchr", "memcmp", "memcpy", "memmove", "memset", "strcmp", "strlen"), "computes"),
}
"""Functions of the C library that are called directly, and why their failures do not matter."""

_CALL = re.compile(r"^ {4}call\((\w+), (?:.*, )?(minus_one|zero|null|number|after), ([A-Z, ]+)\)", re.M)
_USE = re.compile(r"\bsys::(?:syscall\(SYS_(\w+)|(\w+)\()")
_COMMENT = re.compile(r"//[^\n]*|\"(?:[^\"\\\n]|\\.)*\"")


@dataclass(frozen=True, order=True)
class Site:
    """One use of the table in the sources."""

    call: str
    file: str
    line: int


def table() -> dict[str, tuple[str, ...]]:
    """The errors with which each call fails in trials, in the order of native/common/faults.h."""
    listed = {name: tuple(errors.split(", ")) for name, _, errors in _CALL.findall(TABLE.read_text())}
    return {**listed, "start_thread": ("EAGAIN",), "operator_new": ("ENOMEM",)}


def sources() -> list[Path]:
    """The sources of the core, without the tests, the table and the code that injects faults."""
    files = [path for path in NATIVE.rglob("*") if path.suffix in (".h", ".cpp")]
    return sorted(path for path in files if "tests" not in path.relative_to(NATIVE).parts and path not in _SEAM)


def sites() -> list[Site]:
    """Every use of the table."""
    return sorted(
        Site(use[1] or use[2], str(path.relative_to(NATIVE)), number)
        for path in sources()
        for number, line in enumerate(_code(path), 1)
        for use in _USE.finditer(line)
    )


def in_native(file: str) -> str:
    """A file's path below ``native/``. The compiler names headers by another path than sources."""
    return file.rpartition("native/")[2]


def reached(places: Iterable[tuple[str, str, int]]) -> set[Site]:
    """The sites that were reached: of each call, file and line, the nearest site.

    The compiler takes the line in which a statement begins for the line of a call within it.
    """
    found: set[Site] = set()
    known = sites()
    for call, file, line in places:
        candidates = [site for site in known if (site.call, site.file) == (call, in_native(file))]
        found.update(sorted(candidates, key=lambda site: abs(site.line - line))[:1])
    return found


def passing_by(path: Path) -> list[tuple[int, str]]:
    """Line and text of each call in a source that could fail and does not use the table."""
    listed = "|".join(table().keys() - {"start_thread", "operator_new"} - _names_of_ours())
    through_scope = re.compile(r"(?<![\w>:])::(\w+)\(")
    plain = re.compile(rf"(?<![\w:.>])(?:std::)?(?:{listed})\(")
    threads = re.compile(r"\bstd::j?thread(?: \w+)?\(|\bstd::async\(")
    return [
        (number, line.strip())
        for number, line in enumerate(_code(path), 1)
        if any(name not in WITHOUT_FAILURE for name in through_scope.findall(line))
        or threads.search(line)
        or plain.search(line)
    ]


def _names_of_ours() -> set[str]:
    """Names of system calls that Callring's classes also use for members. Such system calls are written with ``::``."""
    before = r"^ {4}(?:\[\[nodiscard\]\] )?(?:static |explicit )?[\w:<>*& ,]+? "
    declared = re.compile(before + r"(\w+)\([^;]*\)[^;]*[;{]$", re.M)
    return {name for path in sources() if path.suffix == ".h" for name in declared.findall("\n".join(_code(path)))}


def _code(path: Path) -> list[str]:
    return _COMMENT.sub("", path.read_text()).splitlines()
