"""The soak: threads that register and release, threads that submit, and one that kills and stops children.

The model is a list of live handles. At the end every child must have exactly these callables installed, and every
accepted task must have ended, successfully or with an error, and its cell must agree with that outcome.
"""

import contextlib
import gc
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from runtime import Tag, TaskArgs, Worker, WorkerOptions, _core
from runtime.errors import RegisterTombstoneError, WorkerLost
from runtime.toolchain import build_chip_callable
from tests.contract.conftest import KERNELS, descendants, source_of, wait_until
from tests.soak.tasks import bump, numbered

CONTROL_TIMEOUT = 0.4
TASKS_A_RUN = 40
KERNEL_NAMES = ("count", "affine", "add", "sleep_ms")


class Soak:
    """One soak: call ``run()``, then read ``figures()`` and ``complaints``."""

    def __init__(self, *, operations, kills, stops, chips, sub_workers, seed):
        self.operations, self.kills, self.stops, self.seed = operations, kills, stops, seed
        self.chips, self.sub_workers = chips, sub_workers
        self.outcomes = Counter()
        self.complaints = []
        self._lock = threading.Lock()
        self._begun = 0
        self._handles = []
        self._seconds = 0.0
        self._memory = (0, 0)

    # ---- the whole -------------------------------------------------------------------------------------------------

    def run(self):
        """Runs the soak to its end; every wait has a bound."""
        before = descendants()
        descriptors = _open_descriptors()
        options = WorkerOptions(control_timeout=CONTROL_TIMEOUT, max_restarts=1_000_000)
        with tempfile.TemporaryDirectory() as folder:
            self._kernels = _build(Path(folder))
        begun = time.monotonic()
        with Worker(chips=self.chips, sub_workers=self.sub_workers, options=options) as worker:
            self._worker = worker
            self._count = worker.register(self._kernels["count"])
            self._bump = worker.register(bump)
            memory = _resident_kib()
            self._over = threading.Event()
            registrars = [threading.Thread(target=self._register_and_release, args=(i,)) for i in range(4)]
            others = [threading.Thread(target=self._submit, args=(i,)) for i in range(2)]
            others.append(threading.Thread(target=self._harass))
            for thread in registrars + others:
                thread.start()
            self._join(registrars)
            self._over.set()
            self._join(others)
            self._memory = (memory, _resident_kib())
            self._check_installed()
            self.outcomes["replacements"] = sum(child.incarnation - 1 for child in worker.children)
        self._seconds = time.monotonic() - begun
        del self._worker, worker
        self._handles, self._count, self._bump = [], None, None
        gc.collect()
        if not wait_until(lambda: not descendants() - before):
            self.complaints.append("a process is left")
        if _open_descriptors() != descriptors:
            self.complaints.append(f"{_open_descriptors() - descriptors} descriptors are left")

    def figures(self):
        """The counts of all events, by name."""
        return {
            "seconds": f"{self._seconds:.1f}",
            **dict(sorted(self.outcomes.items())),
            "resident memory of the parent, KiB": f"{self._memory[0]} before, {self._memory[1]} after",
        }

    def _join(self, threads):
        for thread in threads:
            thread.join(600)
            if thread.is_alive():
                self.complaints.append("a thread hangs")

    def _note(self, name, count=1):
        with self._lock:
            self.outcomes[name] += count

    # ---- registering -----------------------------------------------------------------------------------------------

    def _take_turn(self):
        with self._lock:
            self._begun += 1
            return self._begun <= self.operations

    def _register_and_release(self, seed):
        choose = random.Random(self.seed * 1000 + seed)
        targets = [numbered(i) for i in range(12)] + [self._kernels[name] for name in KERNEL_NAMES]
        held = []
        while self._take_turn():
            try:
                if held and choose.random() < 0.5:
                    self._release(held, choose.randrange(len(held)))
                else:
                    held.append(self._worker.register(choose.choice(targets)))
                    self._note("operations: registered")
            except RegisterTombstoneError:
                self._note("operations: refused, being removed")
            except Exception as error:  # neither a dead nor a silent child may fail a registration
                self.complaints.append(f"a registration or removal failed: {error!r}")
        with self._lock:
            self._handles.extend(held)

    def _release(self, held, which):
        """Releases a handle; if the release is refused, the handle stays held."""
        self._worker.unregister(held[which])
        self._note("operations: released")
        del held[which]

    def _check_installed(self):
        held = Counter(handle.hashid for handle in [*self._handles, self._count, self._bump])
        chips = {h.hashid for h in [*self._handles, self._count] if h.target_namespace == "LOCAL_CHIP"}

        def as_expected(child):
            mine = {name: n for name, n in held.items() if (name in chips) == (child.kind == "chip")}
            return child.state == "ready" and child.installed == mine

        if not wait_until(lambda: all(as_expected(child) for child in self._worker.children), 30):
            wrong = [child for child in self._worker.children if not as_expected(child)]
            self.complaints.append(f"the installed callables do not match the handles: {wrong}")

    # ---- running tasks ---------------------------------------------------------------------------------------------

    def _submit(self, seed):
        choose = random.Random(self.seed * 2000 + seed)
        cells = self._worker.zeros(TASKS_A_RUN, "float64")
        while not self._over.is_set():
            cells.numpy()[:] = 0
            tasks = []
            run = self._worker.submit(lambda o, tasks=tasks: self._submit_tasks(o, choose, cells, tasks))
            if not run.wait(120):
                self.complaints.append("a run hangs")
                return
            for task, cell in tasks:
                self._account(task.exception(), cells.numpy()[cell])

    def _submit_tasks(self, orchestrator, choose, cells, tasks):
        for i in range(TASKS_A_RUN):
            cell = (cells[i : i + 1], Tag.INOUT)
            if choose.random() < 0.5:
                chip = choose.randrange(self.chips)
                args = TaskArgs(cell, scalars=[choose.randrange(2000)])
                tasks.append((orchestrator.submit_next_level(self._count, args, worker=chip), i))
            else:
                tasks.append((orchestrator.submit_sub(self._bump, TaskArgs(cell)), i))

    def _account(self, error, value):
        if error is None:
            self._note("tasks: done")
            expected = value == 1
        elif isinstance(error, WorkerLost):
            self._note("tasks: lost with their child")
            expected = value in (0, 1)
        else:
            expected = False
        if not expected:
            self.complaints.append(f"a task ended with {error!r} and left {value} in its cell")

    # ---- harassing -------------------------------------------------------------------------------------------------

    def _harass(self):
        """Spreads kills and stops over the registry operations."""
        choose = random.Random(self.seed * 3000)
        acts = ["kill"] * self.kills + ["stop"] * self.stops
        choose.shuffle(acts)
        resume = []  # (when, pid)
        while acts or resume:
            now = time.monotonic()
            for when, pid in resume:
                if now >= when:
                    _signal(pid, signal.SIGCONT)
            resume = [(when, pid) for when, pid in resume if now < when]
            due = (1 - len(acts) / max(1, self.kills + self.stops)) * self.operations
            if acts and (self._begun > due or self._over.is_set()):
                child = choose.choice(self._worker.children)
                if child.pid > 0:
                    act = acts.pop()
                    self._note("harassment: killed" if act == "kill" else "harassment: stopped")
                    _signal(child.pid, signal.SIGKILL if act == "kill" else signal.SIGSTOP)
                    if act == "stop":
                        # Some stopped children continue before the timeout, others are killed first.
                        resume.append((now + choose.choice([0.01, 0.6, 2.0]) * (0.5 + choose.random()), child.pid))
            time.sleep(0.002)


def _build(folder):
    built = {}
    for name in KERNEL_NAMES:
        signature, body = KERNELS[name]
        source = folder / f"{name}.cpp"
        source.write_text(source_of(name, body, signature))
        built[name] = build_chip_callable(source, signature=signature, platform="a2a3sim")
    return built


def _signal(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _open_descriptors():
    _core.end_kept_fork_server(for_good=False)
    return len(list(Path("/proc/self/fd").iterdir()))


def _resident_kib():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0
