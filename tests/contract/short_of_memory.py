"""A program for one test: it uses more and more memory until none is left, frees some, and goes on.

    python -m tests.contract.short_of_memory WHAT BYTES

Prints how often it succeeded. Any error other than MemoryError ends the program with a traceback.
"""

import gc
import os
import resource
import sys
from pathlib import Path

from runtime import Tag, TaskArgs, Worker, WorkerOptions

GATE = Tag.NO_DEP


def leave(left):
    """From now on this process may map only ``left`` more bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit(pages * resource.getpagesize() + left)


def limit(soft):
    resource.setrlimit(resource.RLIMIT_AS, (soft, resource.RLIM_INFINITY))


def until_short(ask):
    """Calls ``ask`` until it has raised 50 MemoryErrors, then frees memory. Returns how often it succeeded."""
    ballast = [bytearray(1 << 20) for _ in range(8)]
    count = refused = 0
    while refused < 50:
        try:
            ask(count)
            count += 1
        except MemoryError:
            refused += 1
    ballast.clear()
    return count


def hold(args):
    import time

    while args[0][0] == 0:
        time.sleep(0.001)


class Held:
    """A Worker whose only sub-worker is busy until the block ends."""

    def __init__(self, worker):
        self.worker = worker
        self.gate = worker.zeros(1, "int64")
        self.opening = self.gate.numpy()  # made now: the block may end while there is no memory
        self.hold = worker.register(hold)

    def __enter__(self):
        self.run = self.worker.submit(lambda o: o.submit_sub(self.hold, TaskArgs((self.gate, GATE))) and None)
        return self

    def __exit__(self, *_):
        self.opening[0] = 1


def submit(worker, left):
    one = worker.register(lambda args: 1)
    kept = []
    with Held(worker) as held:

        def orchestrate(o):
            leave(left)
            args = TaskArgs((held.gate, Tag.INPUT), scalars=range(20))
            return until_short(lambda _: kept.append(o.submit_sub(one, args)))

        run = worker.submit(orchestrate)
        count = run._value
    assert run.wait(120)
    limit(resource.RLIM_INFINITY)
    kept.clear()
    return count


def launch(worker, left):
    one = worker.register(lambda args: 1)
    with Held(worker) as held:
        args = TaskArgs((held.gate, Tag.INPUT))
        graph = worker.capture(lambda o: [o.submit_sub(one, args) for _ in range(500)] and None)
        runs = []
        leave(left)
        count = until_short(lambda _: runs.append(worker.launch(graph)))
    assert all(run.wait(120) for run in runs)
    limit(resource.RLIM_INFINITY)
    runs.clear()
    return count


def register(worker, left):
    handles = []
    leave(left)

    def ask(count):
        ballast = os.urandom(30_000)
        handles.append(worker.register(lambda args: len(ballast)))

    count = until_short(ask)
    limit(resource.RLIM_INFINITY)
    for handle in handles:
        worker.unregister(handle)
    return count


def allocate(worker, left):
    tensors = []
    leave(left)
    count = until_short(lambda _: tensors.append(worker.empty(1 << 14, "uint8")))
    limit(resource.RLIM_INFINITY)
    tensors.clear()
    return count


def call(worker, left):
    """Calls of an Executor: every future is settled."""
    from runtime import Executor

    futures = []
    with Executor(worker) as executor, Held(worker):
        leave(left)
        count = until_short(lambda i: futures.append(executor.submit(divmod, i, 7)))
    limit(resource.RLIM_INFINITY)
    settled = [future.exception() or future.result() for future in futures]
    assert all(value == divmod(i, 7) or isinstance(value, MemoryError) for i, value in enumerate(settled))
    return count


def call_elsewhere(worker, left):
    """Calls from a thread that has not handled a C++ exception before."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        return pool.submit(call, worker, left).result()


def main(what, left):
    options = WorkerOptions(arena_bytes=1 << 20, max_pending_tasks=1 << 24, max_runs=1 << 20, max_callables=1 << 20)
    with Worker(sub_workers=1, options=options) as worker:
        count = globals()[what](worker, int(left))
        gc.collect()
        add = worker.register(lambda args: sum(args.scalars))
        for _ in range(3):
            assert worker.run(lambda o: o.submit_sub(add, TaskArgs(scalars=[1, 2]))).result() == 3
        assert worker.children[0].incarnation == 1
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
