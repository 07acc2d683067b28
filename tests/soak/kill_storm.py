"""``python -m tests.soak.kill_storm``: random graphs while chips, sub-workers and the fork server are killed.

Graphs are submitted, captured and launched; some are cancelled; tasks have retries, deadlines and failures. Every task
must be accounted for: it began at most as often as allowed, in order, with its own values, and was skipped if a task
that it depends on did not succeed. No thread may hang, and no process may be left. Exits with 1 otherwise, and prints
the stacks of all threads if it takes longer than --limit.
"""

import argparse
import contextlib
import faulthandler
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from runtime import ArgDirection, Worker, WorkerOptions, _core
from runtime.toolchain import build_chip_callable
from tests.contract.conftest import descendants, source_of, wait_until
from tests.soak.storm_programs import complaints_of_codes, complaints_of_rows, random_program, submit
from tests.soak.storm_tasks import KERNEL, MOST_PREDECESSORS, step

SUBMITTERS = 2
AT_ONCE = 8
"""The most runs of one submitter that are under way at the same time."""
LONGEST_PAUSE = 0.05
"""The longest pause between two kills in seconds, so short that children mostly die while they work."""
LONGEST_RUN = 60
"""Seconds after which a run counts as hanging; a run takes a few hundred milliseconds."""
_NAMES = {code: name for name, code in _core.CODES.items()}


class KillStorm:
    """One storm: call ``run()``, then read ``outcomes`` and ``complaints``."""

    def __init__(self, *, kills, chips, sub_workers, seed):
        self.kills, self.chips, self.sub_workers, self.seed = kills, chips, sub_workers, seed
        self.outcomes = Counter()
        self.complaints = []
        self._lock = threading.Lock()
        self._over = threading.Event()

    def run(self):
        """Runs the storm to its end."""
        processes, descriptors = descendants(), _open_descriptors()
        options = WorkerOptions(max_restarts=1_000_000)
        with Worker(chips=self.chips, sub_workers=self.sub_workers, options=options) as worker:
            with tempfile.TemporaryDirectory() as folder:
                self._kernel = worker.register(_build(Path(folder)))
            self._function = worker.register(step)
            threads = [threading.Thread(target=self._submit_until_over, args=(worker, i)) for i in range(SUBMITTERS)]
            threads.append(threading.Thread(target=self._kill, args=(worker,)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            stats = worker.stats()
            ended = stats.done + stats.failed + stats.lost + stats.timed_out + stats.skipped + stats.cancelled
            if stats.pending or ended != stats.accepted:
                self.complaints.append(f"tasks are not accounted for: {stats}")
            gc.collect()
            if worker.stats().bytes_in_use:
                self.complaints.append(f"{worker.stats().bytes_in_use} bytes of shared memory are still in use")
            for name in ("done", "failed", "lost", "timed_out", "skipped", "cancelled", "begun_again", "restarts"):
                self.outcomes[f"tasks: {name}" if name != "restarts" else "replacements"] += getattr(stats, name)
        del worker, self._kernel, self._function
        gc.collect()
        if not wait_until(lambda: not descendants() - processes):
            self.complaints.append("a process is left")
        if not wait_until(lambda: _open_descriptors() == descriptors):
            self.complaints.append(f"{_open_descriptors() - descriptors} descriptors are left")

    # ---- submitting ------------------------------------------------------------------------------------------------

    def _submit_until_over(self, worker, number):
        choose = random.Random(self.seed * 1000 + number)
        under_way = []
        try:
            while not self._over.is_set():
                under_way.append(self._begin(worker, choose))
                if len(under_way) == AT_ONCE:
                    self._account(*under_way.pop(0))
            while under_way:
                self._account(*under_way.pop(0))
        except BaseException as error:
            self._complain(f"a submitter ended with {error!r}")
            self._over.set()
            raise

    def _begin(self, worker, choose):
        """Begins a run. Returns (program, rows, run, tasks or None for a launch, whether it was cancelled)."""
        program = random_program(choose, self.chips, self.sub_workers)
        rows = worker.zeros((program.rows, 4), "float64")

        def orchestrate(orchestrator):
            return submit(program, orchestrator, rows, self._kernel, self._function)

        if choose.random() < 0.3:
            graph = worker.capture(orchestrate)
            tasks = None
            other = worker.zeros((program.rows, 4), "float64")
            run = worker.launch(graph, tensors={rows: other})
            rows = other
        else:
            tasks = []
            run = worker.submit(lambda orchestrator: tasks.extend(orchestrate(orchestrator)))
        cancelled = choose.random() < 0.1
        if cancelled:
            time.sleep(choose.random() * 0.01)
            run.cancel()
        return program, rows, run, tasks, cancelled

    def _account(self, program, rows, run, tasks, cancelled):
        if not run.wait(LONGEST_RUN):
            self._complain(f"{run!r} hangs")
            return
        found = rows.numpy()
        complaints = list(complaints_of_rows(program, found))
        if tasks is not None:
            codes = [_NAMES[task._native.code] for task in tasks]
            complaints += complaints_of_codes(program, found, codes, cancelled)
        with self._lock:
            self.outcomes["runs: launched" if tasks is None else "runs: submitted"] += 1
            self.outcomes["runs: cancelled"] += cancelled
        for complaint in complaints:
            self._complain(f"{run!r}: {complaint}")

    def _complain(self, text):
        with self._lock:
            self.complaints.append(f"seed {self.seed}: {text}")

    # ---- killing ---------------------------------------------------------------------------------------------------

    def _kill(self, worker):
        choose = random.Random(self.seed * 2000)
        killed = set()
        while self.outcomes["kills"] < self.kills and not self._over.is_set():
            alive = [child for child in worker.children if child.pid > 0 and child.pid not in killed]
            busy = [child for child in alive if child.state == "ready"]
            if alive:
                child = choose.choice(busy if busy and choose.random() < 0.9 else alive)
                pid, kind = child.pid, child.kind
                if kind != "chip" and choose.random() < 0.05:
                    pid, kind = _parent_of(pid), "fork server"
                if pid not in killed and pid not in (0, 1, os.getpid()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed.add(pid)
                        self.outcomes["kills"] += 1
                        self.outcomes[f"kills: {kind}"] += 1
            time.sleep(choose.random() * LONGEST_PAUSE)
        self._over.set()


def _build(folder):
    signature = [ArgDirection.INOUT, *[ArgDirection.SCALAR] * (3 + MOST_PREDECESSORS)]
    source = folder / "step.cpp"
    source.write_text(source_of("step", KERNEL, signature))
    return build_chip_callable(source, signature=signature, platform="a2a3sim")


def _parent_of(pid):
    """The process that forked ``pid``; 0 if ``pid`` has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _open_descriptors():
    _core.end_kept_fork_server(for_good=False)
    return len(list(Path("/proc/self/fd").iterdir()))


def main() -> int:
    """Runs the storms that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kill_storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, help="kills over all seeds (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="storms, one after the other (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--chips", type=int, default=3)
    parser.add_argument("--sub-workers", type=int, default=4)
    parser.add_argument(
        "--limit", type=float, default=600, help="seconds until all storms must have ended (default: %(default)s)"
    )
    given = parser.parse_args()
    faulthandler.dump_traceback_later(given.limit, exit=True)
    begin = time.monotonic()
    outcomes, complaints = Counter(), []
    for number in range(given.seeds):
        kills = given.kills // given.seeds + (number < given.kills % given.seeds)
        storm = KillStorm(kills=kills, chips=given.chips, sub_workers=given.sub_workers, seed=given.first_seed + number)
        storm.run()
        outcomes += storm.outcomes
        complaints += storm.complaints
    faulthandler.cancel_dump_traceback_later()
    print(f"{'seconds':44} {time.monotonic() - begin:.1f}")
    for name, count in sorted(outcomes.items()):
        print(f"{name:44} {count}")
    for complaint in complaints:
        print(f"WRONG: {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
