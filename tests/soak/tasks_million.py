"""``python -m tests.soak.tasks_million``: a million calls of an Executor. Some raise, some are cancelled, some exceed
their deadline and some kill their worker.

Prints figures, and exits with 1 unless every call ended as expected, no memory grew and no process is left.
"""

import argparse
import concurrent.futures
import gc
import random
import sys
import time
from collections import Counter
from pathlib import Path

from runtime import Executor, Worker, WorkerOptions
from runtime.errors import TaskTimeout, WorkerLost
from tests.contract.conftest import all_ready, descendants, wait_until
from tests.soak import tasks

BATCH = 5000
DEADLINE = 0.05
MOST_GROWTH_KIB = 16 * 1024
_WARM = 0.1  # the share of the calls after which memory and descriptors may not grow

# The possible outcomes of each kind of call. A call may begin before it is cancelled.
OUTCOMES = {
    "plain": {"done"},
    "fail": {"raised"},
    "cancel": {"cancelled", "done"},
    "overstay": {"deadline exceeded"},
    "die": {"lost with its worker"},
}


class TasksMillion:
    """One soak: call ``run()``, then read ``figures()`` and ``complaints``."""

    def __init__(self, *, calls, workers, failures, cancellations, overstays, deaths, seed):
        self.calls, self.workers = calls, workers
        self._odds = {"fail": failures, "cancel": cancellations, "overstay": overstays, "die": deaths}
        self._choose = random.Random(seed)
        self.outcomes = Counter()
        self.complaints = []
        self._sizes = []
        self._seconds = 0.0
        self._replacements = 0

    def run(self):
        """Runs the soak to its end."""
        processes = descendants()
        begun = time.monotonic()
        options = WorkerOptions(max_restarts=1_000_000)
        with Worker(sub_workers=self.workers, options=options) as worker:
            with Executor(worker) as executor, Executor(worker, deadline=DEADLINE) as hurried:
                self._submit_all(worker, executor, hurried)
            self._replacements = sum(child.incarnation - 1 for child in worker.children)
        self._seconds = time.monotonic() - begun
        if not wait_until(lambda: not descendants() - processes):
            self.complaints.append("a process is left")
        if sum(self.outcomes.values()) != self.calls:
            self.complaints.append(f"{self.outcomes.total()} of {self.calls} calls are accounted for")

    def _submit_all(self, worker, executor, hurried):
        done = 0
        while done < self.calls:
            count = min(BATCH, self.calls - done)
            self._batch(executor, hurried, count)
            done += count
            if done >= _WARM * self.calls:
                self._measure(worker)
        first = self._sizes[0]
        for name, allowed in (("resident KiB", MOST_GROWTH_KIB), ("descriptors", 0), ("processes", 0)):
            # The lane of a worker that died may still be open for a moment; what leaks stays open.
            if not wait_until(lambda name=name, allowed=allowed: _sizes()[name] - first[name] <= allowed):
                self.complaints.append(f"{name} grew from {first[name]} to {_sizes()[name]}")

    def _batch(self, executor, hurried, count):
        kinds = self._choose.choices(
            ["plain", *self._odds], [1 - sum(self._odds.values()), *self._odds.values()], k=count
        )
        calls = {"fail": (tasks.fail, 1), "overstay": (tasks.overstay,), "die": (tasks.die,)}
        futures = []
        for number, kind in enumerate(kinds):
            pool = hurried if kind == "overstay" else executor
            futures.append(pool.submit(*calls.get(kind, (tasks.echo, number))))
        for kind, future in zip(kinds, futures, strict=True):
            if kind == "cancel":
                future.cancel()
        for number, (kind, future) in enumerate(zip(kinds, futures, strict=True)):
            outcome = _outcome(future, number)
            self.outcomes[f"{kind}: {outcome}"] += 1
            if outcome not in OUTCOMES[kind]:
                self.complaints.append(f"a call of kind {kind} ended as {outcome}")

    def _measure(self, worker):
        if not all_ready(worker):
            self.complaints.append("a worker was not replaced")
        self._sizes.append(_sizes())

    def figures(self):
        """The counts of all events, by name."""
        first, last = self._sizes[0], self._sizes[-1]
        return {
            "seconds": f"{self._seconds:.1f}",
            "calls a second": f"{self.calls / self._seconds:.0f}",
            **dict(sorted(self.outcomes.items())),
            "replaced workers": self._replacements,
            **{f"{name} after a tenth, and at the end": f"{first[name]}, {last[name]}" for name in first},
        }


def _outcome(future, number):
    try:
        error = future.exception(timeout=120)
    except concurrent.futures.CancelledError:
        return "cancelled"
    except TimeoutError:
        return "never"
    if error is None:
        return "done" if future.result() == number else "done wrong"
    names = {LookupError: "raised", TaskTimeout: "deadline exceeded", WorkerLost: "lost with its worker"}
    return names.get(type(error), repr(error))


def _sizes():
    gc.collect()
    return {
        "resident KiB": _resident_kib(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "processes": len(descendants()),
    }


def _resident_kib():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def main() -> int:
    """Runs the soak that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.tasks_million", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="default: %(default)s")
    for name in ("failures", "cancellations", "overstays"):
        parser.add_argument(f"--{name}", type=float, default=0.003, help="part of the calls (default: %(default)s)")
    parser.add_argument("--deaths", type=float, default=0.001, help="part of the calls (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"tasks_million: {vars(given)}", flush=True)
    soak = TasksMillion(**vars(given))
    soak.run()
    for name, value in soak.figures().items():
        print(f"{name:44} {value}")
    for complaint in soak.complaints:
        print(f"WRONG: {complaint}")
    return 1 if soak.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
