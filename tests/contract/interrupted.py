"""A user's program that a test interrupts at a random point: ``python -m tests.contract.interrupted``.

Prints ``begun`` when the test may interrupt it. After the interrupt, the Worker must be either usable or closed.
"""

import sys

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.errors import WorkerClosed


def bump(args):
    args[0][0] += 1
    return args.scalars[0]


def work(worker, handle):
    """A run with chains, groups, allocations and waits."""
    x = worker.zeros(4, "int64")

    def orchestrate(o):
        tasks = []
        for i in range(40):
            with o.scope():
                inner = o.alloc(4, "int64")
                tasks.append(o.submit_sub(handle, TaskArgs((inner, Tag.OUTPUT), scalars=[i])))
            tasks.append(o.submit_sub(handle, TaskArgs((x[i % 4 :], Tag.INOUT), scalars=[i]), CallConfig(deadline=30)))
            if i % 8 == 0:
                o.submit_sub_group(handle, [TaskArgs((x[k : k + 1], Tag.INOUT), scalars=[k]) for k in range(2)])
            if i % 10 == 0:
                tasks[-1].wait()
        return tasks

    run = worker.submit(orchestrate)
    run.wait()
    return [task.result() for task in run.result()]


def main() -> int:
    """Returns 130 if the program was interrupted and everything was in order, otherwise 0."""
    options = WorkerOptions(max_runs=4, max_pending_tasks=64, lane_capacity=16)
    worker = Worker(sub_workers=2, options=options)
    interrupted = False
    print("begun", flush=True)
    try:
        worker.init()
        handle = worker.register(bump)
        while True:
            work(worker, handle)
    except KeyboardInterrupt:
        interrupted = True
    try:
        handle = worker.register(bump)
        for _ in range(6):  # more than max_runs: an interrupted run no longer counts
            assert len(work(worker, handle)) == 80
        state = "usable"
    except WorkerClosed:
        state = "closed"
    worker.close()
    print(state, flush=True)
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
