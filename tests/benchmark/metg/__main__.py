"""METG(50 %) of Callring and of others: a table and, if you like, JSON and a picture.

Chips, OpenMP and oneTBB are C++ tasks; sub-workers and the pools execute Python tasks with the same busy loop.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.benchmark.command_line import matching, positive, started
from tests.benchmark.compiled import compiled
from tests.benchmark.contenders import Executor, installed_peers
from tests.benchmark.measure import OURS, SUBMITTED, Effort, Row
from tests.benchmark.metg.contenders import Contender, FromPool, Launched, Native, Submitted, SubWorkers
from tests.benchmark.metg.output import SUB_WORKERS, rows, tables
from tests.benchmark.metg.patterns import PATTERNS, graph_of, levels
from tests.benchmark.metg.search import metg
from tests.benchmark.metg.work import FOLDER, iterations_per_us, library
from tests.benchmark.table import document

NATIVE = {
    "OpenMP tasks": ("openmp.cpp", "-fopenmp", "a compiler with OpenMP"),
    "oneTBB flow graph": ("flow_graph.cpp", "-ltbb", "Debian's libtbb-dev"),
}
PEERS = ("loky", "Ray", "Dask")
NAMES = (OURS, SUBMITTED, SUB_WORKERS, *NATIVE, "ProcessPoolExecutor", *PEERS)
Groups = list[dict[str, Callable[[int], Contender]]]
"""Contenders that are measured together, each made from a number of workers."""


def available(folder: Path, names: Sequence[str] = NAMES) -> tuple[Groups, list[str]]:
    """Those of the named contenders that this machine has, and which it lacks and why.

    Peers that are not in the standard library are each alone: some use much processor time when they are idle.
    """
    path = library(folder)
    together: dict[str, Callable[[int], Contender]] = {
        OURS: Launched,
        SUBMITTED: Submitted,
        SUB_WORKERS: partial(SubWorkers, library=path),
    }
    left_out = []
    for name, (source, flag, needed) in NATIVE.items():
        if name in names:
            try:
                program = compiled(FOLDER / source, folder / Path(source).stem, flag)
            except RuntimeError:
                left_out.append(f"{name}, which needs {needed}")
            else:
                together[name] = partial(Native, program=program)
    together["ProcessPoolExecutor"] = partial(FromPool, Executor, library=path)
    peers = installed_peers(Effort(1, 1))
    left_out += [f"{name}, which is not installed" for name in PEERS if name in names and name not in peers]
    groups: Groups = [{name: make for name, make in together.items() if name in names}]
    groups += [{name: partial(FromPool, kind, library=path)} for name, kind in peers.items() if name in names]
    return [group for group in groups if group], left_out


def measured(options: argparse.Namespace, groups: Groups, path: str) -> list[Row]:
    """All rows that the command line asks for."""
    result = []
    for workers in options.workers:
        found: dict[str, dict[str, dict[str, list[float]]]] = {name: {} for name in options.patterns}
        for group in groups:
            # Pools, which are last, start first: they fork, and must not fork beside Callring's threads.
            with started(group, workers) as contenders:
                for pattern in options.patterns:
                    print(f"{pattern}, {workers} workers: {', '.join(group)}", file=sys.stderr, flush=True)
                    new = metg(
                        contenders,
                        lambda fewer, pattern=pattern: graph_of(pattern, options.width, max(4, options.steps // fewer)),
                        workers,
                        partial(iterations_per_us, path),
                        rounds=options.rounds,
                        least_s=options.least_ms / 1e3,
                    )
                    for clock, figures in new.items():
                        found[pattern].setdefault(clock, {}).update(figures)
        result += [row for pattern in options.patterns for row in rows(pattern, workers, found[pattern])]
    return result


def parsed() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.metg", description=__doc__)
    parser.add_argument("--patterns", nargs="+", choices=PATTERNS, default=list(PATTERNS), metavar="PATTERN")
    parser.add_argument("--workers", nargs="+", type=positive, default=[1, 2, 8], help="default: 1 2 8")
    parser.add_argument("--contenders", nargs="+", default=[], help="only those whose names contain one of these")
    parser.add_argument("--width", type=positive, default=16, help="columns of a graph, a power of two (default: 16)")
    parser.add_argument("--steps", type=positive, default=64, help="steps of a graph (default: 64)")
    parser.add_argument("--rounds", type=positive, default=3, help="measurements of each, interleaved (default: 3)")
    parser.add_argument("--least-ms", type=float, default=20, help="how long a measurement lasts (default: 20)")
    parser.add_argument("--quick", action="store_true", help="a small graph, one round: shows that everything works")
    parser.add_argument("--json", type=Path, help="write results in pytest-benchmark's shape")
    parser.add_argument("--plot", type=Path, help="write a picture (SVG)")
    options = parser.parse_args()
    if options.quick:
        options.width, options.steps, options.rounds, options.least_ms = 8, 8, 1, 0.5
    return parser, options


def main() -> None:
    """Runs the command line."""
    parser, options = parsed()
    try:
        names = matching("contender", options.contenders, NAMES)
        levels(options.width)
    except ValueError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as folder:
        groups, left_out = available(Path(folder), names)
        result = measured(options, groups, library(Path(folder)))
    print("\n".join(tables(result)).lstrip())
    for each in left_out:
        print(f"\nLeft out: {each}.")
    if options.json:
        command = " ".join(["python -m tests.benchmark.metg", *sys.argv[1:]])
        options.json.write_text(json.dumps({**document(result, command), "left_out": left_out}, indent=1))
    if options.plot:
        from tests.benchmark.metg.plot import drawn

        options.plot.write_text(drawn(result))


if __name__ == "__main__":
    main()
