"""Tiled Cholesky and matmul, and a stencil on chips, beside the kernels alone, OpenMP tasks and NumPy."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmark.applications.contenders import Alone, Contender, Launched, OpenMP, Submitted, by_numpy
from tests.benchmark.applications.kernels import native
from tests.benchmark.applications.measured import Application, in_rounds, measured
from tests.benchmark.applications.output import ALONE, CONTENDERS, LAYOUTS, NUMPY, OPENMP, VIEWS, rows, tables
from tests.benchmark.applications.program import Program, grid_of
from tests.benchmark.applications.stencil import Stencil
from tests.benchmark.applications.tiled import MULTIPLE, Cholesky, Matmul
from tests.benchmark.command_line import matching, positive, started
from tests.benchmark.measure import OURS, SUBMITTED, Row
from tests.benchmark.table import document

TILED = {"cholesky": Cholesky, "matmul": Matmul}
APPLICATIONS = (*TILED, "stencil")
Makers = dict[str, Callable[[int], Contender]]
Case = tuple[str, str, int, Callable[[], Program]]
"""The name of a work, its layout, the number of workers, and what makes its program."""


def available(folder: Path, names: list[str]) -> tuple[Makers, list[str]]:
    """Those of the named contenders that this machine has, and which it lacks and why. NumPy is measured by itself."""
    together: Makers = {}
    left_out = []
    if ALONE in names:
        together[ALONE] = partial(Alone, library=native("alone.cpp", folder / "alone.so", "-shared", "-fPIC"))
    together.update({name: make for name, make in ((OURS, Launched), (SUBMITTED, Submitted)) if name in names})
    if OPENMP in names:
        try:
            together[OPENMP] = partial(OpenMP, program=native("openmp.cpp", folder / "openmp", "-fopenmp"))
        except RuntimeError:
            left_out.append(f"{OPENMP}, which needs a compiler with OpenMP")
    return together, left_out


def computations(options: argparse.Namespace) -> Iterator[tuple[Application, list[Case]]]:
    """The applications that the command line asks for, each with its cases."""
    for name, kind in TILED.items():
        for n in options.sizes if name in options.applications else ():
            tiled = kind(n)
            yield (
                tiled,
                [
                    (f"{tiled.name}, tiles of {tile}", layout, workers, partial(tiled.program, tile, layout == VIEWS))
                    for workers in options.workers or [2, 8]
                    for tile in options.tiles
                    for layout in options.layouts
                ],
            )
    for n in options.grids if "stencil" in options.applications else ():
        stencil = Stencil(n, options.iterations)
        yield (
            stencil,
            [
                (stencil.name, layout, workers, partial(stencil.program, workers, layout == VIEWS))
                for workers in options.workers or [8]
                for layout in options.layouts
            ],
        )


def refusal(options: argparse.Namespace) -> str:
    """Why these sizes cannot be; empty if they can."""
    for tile in options.tiles:
        if tile % MULTIPLE:
            return f"a tile has {tile} rows, and must have a multiple of {MULTIPLE}"
        for n in options.sizes:
            if n % tile:
                return f"tiles of {tile} do not divide a matrix of {n}"
    for workers in options.workers or [8]:
        for n in options.grids:
            high, wide = grid_of(workers)
            if n % high or n % wide:
                return f"the blocks of {workers} workers, {high} by {wide}, do not divide a grid of {n}"
    return ""


def all_rows(options: argparse.Namespace, makers: Makers, with_numpy: bool) -> list[Row]:
    """Measures what the command line asks for."""
    result: list[Row] = []
    for application, cases in computations(options):
        numpy = in_rounds(partial(by_numpy, application.numpy), options.rounds) if with_numpy else None
        for workers in dict.fromkeys(case[2] for case in cases):
            with started(makers, workers) as contenders:
                for work, layout, _, program in (case for case in cases if case[2] == workers):
                    print(f"{work}, {layout}, {workers} workers", file=sys.stderr, flush=True)
                    found = measured(application, program(), contenders, options.rounds)
                    result += rows(work, layout, workers, {**found, **({NUMPY: numpy} if numpy else {})})
    return result


def parsed() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.applications", description=__doc__)

    def numbers(name: str, default: list[int] | None, words: str) -> None:
        parser.add_argument(name, nargs="+", type=positive, default=default, help=words)

    def number(name: str, default: int, words: str) -> None:
        parser.add_argument(name, type=positive, default=default, help=words)

    parser.add_argument("--applications", nargs="+", choices=APPLICATIONS, default=list(APPLICATIONS))
    numbers("--sizes", [1024, 2048], "rows of the matrices of Cholesky and matmul (default: 1024 2048)")
    numbers("--tiles", [64, 128, 256], "rows of their tiles (default: 64 128 256)")
    numbers("--grids", [512, 1024], "rows of the stencil's grids (default: 512 1024)")
    number("--iterations", 1000, "iterations of the stencil (default: 1000)")
    numbers("--workers", None, "default: 2 8, and 8 for the stencil")
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--contenders", nargs="+", default=[], help="only those whose names contain one of these")
    number("--rounds", 3, "measurements of each, interleaved (default: 3)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: shows that everything works")
    parser.add_argument("--json", type=Path, help="write results in pytest-benchmark's shape")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.tiles, options.grids, options.iterations, options.rounds = [64], [16], [16], 8, 1
        options.workers = [2]
    return parser, options


def main() -> None:
    """Runs the command line."""
    parser, options = parsed()
    try:
        names = matching("contender", options.contenders, CONTENDERS)
    except ValueError as error:
        parser.error(str(error))
    if refused := refusal(options):
        parser.error(refused)
    with tempfile.TemporaryDirectory() as folder:
        makers, left_out = available(Path(folder), names)
        result = all_rows(options, makers, NUMPY in names)
    print("\n".join(tables(result, os.cpu_count() or 1)).lstrip())
    for each in left_out:
        print(f"\nLeft out: {each}.")
    if options.json:
        command = " ".join(["python -m tests.benchmark.applications", *sys.argv[1:]])
        written: dict[str, Any] = {**document(result, command), "left_out": left_out}
        options.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
