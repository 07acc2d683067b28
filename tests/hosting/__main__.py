"""``python -m tests.hosting``: hundreds of modelled hosts on this machine: registration, many sub-graphs, losses.

Every host is modelled: its gateway, its messages and its checks are real, the tasks below it are not. Each sub-graph
writes its number into one cell, so that a lost or repeated one is seen.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from runtime import CallConfig, Tag, TaskArgs, Worker, WorkerOptions
from runtime.hosting import Cluster


def write_number(o, args):
    """One sub-graph: two tasks below, and its result."""
    o.submit_sub(None)
    o.submit_sub(None)
    args[0].numpy()[...] = args.scalars[0]


def main():
    """Prints the figures as JSON; exits with 1 if a sub-graph was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosting", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100, help="hosts (default 100)")
    parser.add_argument("--sub-graphs", type=int, default=100_000, help="sub-graphs in all (default 100,000)")
    parser.add_argument("--losses", type=int, default=50, help="hosts that are killed meanwhile (default 50)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    figures = run(given.nodes, given.sub_graphs, given.losses, given.seed)
    print(json.dumps(figures, indent=1))
    return 0 if figures["wrong cells"] == 0 else 1


def run(nodes, sub_graphs, losses, seed=1, start_timeout=600.0):
    """The figures of one run."""
    on = Cluster(kind="fake", faults={"modelled": True, "machines": nodes})
    options = WorkerOptions(start_timeout=start_timeout, control_timeout=60.0, max_restarts=1000)
    top = Worker(level=4, options=options)
    for _ in range(nodes):
        top.add_worker(Worker(level=3, chips=8, sub_workers=2), on=on)
    began = time.monotonic()
    with top:
        started = time.monotonic()
        handle = top.register(write_number)
        registered = time.monotonic()
        cells = top.zeros(sub_graphs, "int64")
        killer = threading.Thread(target=_lose, args=(top, losses, random.Random(seed)))
        begun = time.monotonic()
        killer.start()
        config = CallConfig(retries=1000)

        def submit(o):
            for i in range(sub_graphs):
                args = TaskArgs((cells[i : i + 1], Tag.OUTPUT), scalars=[i + 1])
                o.submit_next_level(handle, args, config, worker=i % nodes)

        top.run(submit)
        ended = time.monotonic()
        killer.join()
        memory = _memory()
        wrong = int((cells.numpy() != range(1, sub_graphs + 1)).sum())
        replaced = sum(child.incarnation - 1 for child in top.children)
    return {
        "nodes": nodes,
        "seconds until all are ready": round(started - began, 2),
        "registration, ms": round(1e3 * (registered - started), 1),
        "sub-graphs": sub_graphs,
        "sub-graphs a second": round(sub_graphs / (ended - begun)),
        "lost and replaced hosts": replaced,
        "wrong cells": wrong,
        "MiB of a gateway": round(memory["gateways"] / nodes, 2),
        "MiB of the hosting server": round(memory["server"], 1),
        "load": os.getloadavg()[0],
    }


def _lose(worker, losses, choose):
    """Kills gateways at random, one after the other; each takes its host with it."""
    for _ in range(losses):
        time.sleep(0.02)
        ready = [child.pid for child in worker.children if child.state == "ready"]
        if ready:
            with contextlib.suppress(ProcessLookupError):  # the previous signal may just have ended it
                os.kill(choose.choice(ready), signal.SIGKILL)


def _memory():
    """MiB of this process's gateways together, and of its hosting server: memory that is shared counts in parts."""
    found = {"gateways": 0.0, "server": 0.0}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                command = (entry / "cmdline").read_bytes()
                rollup = (entry / "smaps_rollup").read_text()
            except OSError:
                continue
            kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
            kind = {b"hosting_server" in command: "server", b"child_side.fork_server" in command: "gateways"}.get(True)
            if kind:
                found[kind] += kib / 1024
    return found


if __name__ == "__main__":
    sys.exit(main())
