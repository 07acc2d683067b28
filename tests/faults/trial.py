"""One trial: runs a scenario with one fault in a new process, and checks its outcome and what it left behind."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import json
import os
import signal
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.contract.conftest import wait_until
from tests.faults.control import ControlFile, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.steps import Steps

LIMIT = 10.0
"""Seconds after which a trial counts as hanging."""
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Outcome:
    """The outcome of a trial."""

    scenario: str
    fault: Fault
    hits: int = 0
    where: str = ""
    stack: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Callring errors, each with its step."""
    wrong: list[str] = field(default_factory=list)
    """What was wrong with the outcome."""
    seconds: float = 0.0
    uses: dict[str, dict[str, int]] = field(default_factory=dict)
    sites: list[tuple[str, str, int]] = field(default_factory=list)
    blocks: int = 0
    said: str = ""
    """The output of the trial's processes."""

    @property
    def kind(self) -> str:
        """The outcome in one word."""
        if self.wrong:
            return "wrong"
        return "not reached" if not self.hits else "error" if self.errors else "success"


def become_reaper() -> None:
    """Makes orphans of this process's descendants its children, so that it finds all of them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(name: str, scenario: Callable[[Steps], None], fault: Fault, folder: Path) -> Outcome:
    """Runs the scenario with the fault in a forked process, and checks what this process leaves behind."""
    control = ControlFile(folder / "control", fault)
    said, told = folder / "said", folder / "told"
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _live(scenario, control, said, told)
    outcome = Outcome(name, fault)
    status = _wait(pid, outcome)
    outcome.seconds = time.monotonic() - began
    if told.exists():
        outcome.__dict__.update(json.loads(told.read_text()))
        told.unlink()
    elif status is not None:
        outcome.wrong.append(f"the process ended with {_words(status)}")
    outcome.wrong += _orphans()
    outcome.said = said.read_text(errors="replace")
    if "terminate called" in outcome.said or "Fatal Python error" in outcome.said:
        outcome.wrong.append("a process was aborted")
    if "AddressSanitizer" in outcome.said or "runtime error:" in outcome.said:
        outcome.wrong.append("a sanitizer reported something")
    outcome.hits, outcome.where, outcome.stack = control.state.hits, control.hit(), control.stack()
    outcome.uses = control.uses()
    outcome.sites = [(site.call, site.file, site.line) for site in control.sites()]
    return outcome


def _wait(pid: int, outcome: Outcome) -> int | None:
    """The status of the process; None if it had to be killed."""
    status: list[int] = []

    def ended() -> bool:
        found, how = os.waitpid(pid, os.WNOHANG)
        if found:
            status.append(how)
        return bool(found)

    if wait_until(ended, LIMIT):
        return status[0]
    outcome.wrong.append("the process hangs")
    os.kill(pid, signal.SIGUSR1)  # the process writes its stacks
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _words(status: int) -> str:
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"


def _orphans() -> list[str]:
    """Kills the processes that the trial left behind. Returns a complaint for each."""
    left: set[int] = set()

    def none() -> bool:
        while True:
            try:
                found, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if not found:
                break
        left.clear()
        left.update(_children())
        return not left

    if wait_until(none, 5):
        return []
    complaints = []
    for pid in left:
        complaints.append(f"a process is left: {_command(pid)}")
        os.kill(pid, signal.SIGKILL)
    while _children():
        none()
        time.sleep(0.01)
    return complaints


def _children() -> list[int]:
    pids: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            pids += map(int, (task / "children").read_text().split())
    return pids


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
    except OSError:
        return "it has ended, and was not waited for"


# ---- in the process of the trial ------------------------------------------------------------------------------------


def _live(scenario: Callable[[Steps], None], control: ControlFile, said: Path, told: Path) -> None:
    """Runs the scenario, writes its outcome, and ends the process."""
    from runtime import _core
    from tests.faults import scenarios
    from tests.faults.steps import Steps

    status = 1
    try:
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
        faulthandler.enable()
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        control.open_here(_core.__file__)
        resource_tracker.ensure_running()  # else the first Worker with Python children would start it
        gc.collect()
        before = _held()
        steps = Steps(control)
        scenario(steps)
        control.arm(False)
        gc.collect()
        _core.end_kept_fork_server(for_good=False)
        blocks = control.state.blocks
        left = _left(before)
        last = Steps(control)
        last.attempt("again", scenarios.again, last)
        left += [f"afterwards: {what}" for what in (*last.errors, *last.wrong)]
        told.write_text(json.dumps({"errors": steps.errors, "wrong": steps.wrong + left, "blocks": blocks}))
        status = 0
    except BaseException:
        traceback.print_exc()  # into `said`
        raise
    finally:
        os._exit(status)


def _held() -> dict[str, Counter[str]]:
    """The resources of the process: descriptors by their targets, mappings of Callring, threads and children."""
    descriptors: Counter[str] = Counter()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink()).split(":[")[0]
        except OSError:
            continue  # the descriptor of the folder itself
        if "memfd:callring-fork" not in target:  # closed when a later look finds that the forked process has ended
            descriptors[target] += 1
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {
        "descriptor": descriptors,
        "mapping": Counter(line.split()[-2] for line in lines if "memfd:callring" in line),
        "thread": Counter({"thread": len(list(Path("/proc/self/task").iterdir()))}),
        "child": Counter(_command(pid) for pid in _children()),
    }


def _left(before: dict[str, Counter[str]]) -> list[str]:
    """The resources that the process has in addition to those before."""
    more: dict[str, Any] = {}

    def nothing() -> bool:
        now = _held()
        more.clear()
        more.update({name: now[name] - before[name] for name in now if now[name] - before[name]})
        return not more

    return [] if wait_until(nothing, 3) else [f"a {name} is left: {dict(which)}" for name, which in more.items()]
