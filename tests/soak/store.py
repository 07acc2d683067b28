"""``python -m tests.soak.store``: kills runs that build into one store, several at a time, at random moments.

After every kill, each entry of the store must be complete and have the bytes of an undisturbed build. In the end every
build must succeed, and no unfinished entry may be left. Exits with 1 otherwise.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.building.store import Store

_VARIANTS = 6
"""Number of different builds, so few that runs often build the same one at the same time."""


@dataclass
class Figures:
    """The numbers and the complaints of a soak."""

    runs: int = 0
    killed: int = 0
    ended: int = 0
    left_half_made: int = 0
    """Kills after which an unfinished entry lay in the store, of the killed run or of another one."""
    complaints: list[str] = field(default_factory=list)


def command(store: Path, variant: int, place: Path) -> list[str]:
    """A run that builds the three chip callables of two workloads, with the flags of its variant."""
    return [
        *(sys.executable, "-m", "pipeline", "stage=build", f"workload={('mlp_digits', 'vector_add')[variant % 2]}"),
        f"build.kernel_flags=['-DVARIANT={variant}']",
        f"store.path={store}",
        f"hydra.run.dir={place}",
    ]


def contents(store: Path) -> dict[str, bytes]:
    """The blob of every valid entry of the store."""
    callables = Store(store, "callables")
    found = {entry.key: callables.find(entry.key) for entry in callables.entries()}
    return {key: (entry / "callable.blob").read_bytes() for key, entry in found.items() if entry is not None}


def soak(folder: Path, runs: int, at_once: int, longest: float, seed: int) -> Figures:
    """Kills ``runs`` runs, ``at_once`` at a time, each 0 to ``longest`` seconds after its start.

    Half of the entries are pruned before each run, so that every run has something to build.
    """
    chance, figures = random.Random(seed), Figures()
    wanted, store = folder / "undisturbed", folder / "store"
    for variant in range(_VARIANTS):
        subprocess.run(command(wanted, variant, folder / "run"), check=True, stdout=subprocess.DEVNULL, cwd=folder)
    reference = contents(wanted)
    moments = [(number, chance.randrange(_VARIANTS), chance.uniform(0, longest)) for number in range(runs)]

    def one(moment: tuple[int, int, float]) -> None:
        number, variant, seconds = moment
        place = folder / f"run-{number}"
        built = Store(store, "callables")
        for entry in built.entries():
            if (number + int(entry.key[0], 16)) % 2:
                built.remove(entry.key)
        process = subprocess.Popen(
            command(store, variant, place),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, words = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            figures.killed += 1
            figures.left_half_made += any((store / "callables").glob(".building-*"))
        else:
            figures.ended += 1
            if process.returncode != 0:
                figures.complaints.append(f"run {number} ended with {process.returncode}: {words.decode()}")
        figures.runs += 1
        for key, blob in contents(store).items():
            if reference.get(key) != blob:
                figures.complaints.append(f"after run {number}: entry {key} differs from that of an undisturbed build")

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, moments))
    _settle(store, folder, figures, reference)
    return figures


def _settle(store: Path, folder: Path, figures: Figures, reference: dict[str, bytes]) -> None:
    """Checks that in the end every run succeeds and has the same bytes, and that no unfinished entry is left."""
    for variant in range(_VARIANTS):
        done = subprocess.run(
            command(store, variant, folder / "last"),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            figures.complaints.append(f"the last run of variant {variant} ended with {done.returncode}: {done.stderr}")
    if contents(store) != reference:
        figures.complaints.append("in the end the store differs from an undisturbed one")
    callables = Store(store, "callables")
    damaged = [entry.key for entry in callables.entries() if callables.is_damaged(entry.key)]
    callables.sweep()
    left = [path.name for path in (store / "callables").glob(".[!n]*")]
    if damaged or left:
        figures.complaints.append(f"left in the end: damaged {damaged}, half-made {left}")


def main() -> int:
    """Runs the soak that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.store", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="runs to kill (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=4, help="runs at one time (default: %(default)s)")
    parser.add_argument(
        "--longest", type=float, default=3.0, help="seconds before a kill, at most (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="callring-soak-") as folder:
        figures = soak(Path(folder), given.runs, given.at_once, given.longest, given.seed)
    for name in ("runs", "killed", "ended", "left_half_made"):
        print(f"{name:44} {getattr(figures, name)}")
    print(f"{'seconds':44} {time.perf_counter() - begin:.0f}")
    for complaint in figures.complaints:
        print(f"WRONG: {complaint}")
    return 1 if figures.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
