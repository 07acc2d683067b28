"""``python -m tests.native.planted``: shows that the simulator finds defects, by planting them.

Builds ``simulate`` once for each defect of ``planted_defects.py``, with that change in a copy of its file, and runs
random programs until a check fails. Prints each finding with its number of events, writes the page of the
documentation, and exits with 1 if a defect was not found within ``--events``.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.native.planted_defects import DEFECTS, Defect
from tests.native.presets import NATIVE, build

CORPUS = NATIVE / "tests" / "simulate" / "corpus"
PAGE = NATIVE.parent / "docs" / "reference" / "planted-defects.md"
INTRODUCTION = """\
# Planted defects

Each line is a change that makes the native core wrong. `python -m tests.native.planted` builds the
[simulator](../howto/test-under-fire.md#simulate-the-scheduler) with one of them at a time, runs random programs, and
wrote this page: how many events happened until a check failed, and which. No other build contains these defects.

| defect | in `native/` | events until found | as |
| --- | --- | ---: | --- |
"""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one defect: the events until it was found, or None, and the message of the failed check."""

    defect: Defect
    events: int | None
    found: str


class Planter:
    """Builds the simulator with one defect; all other files come from the ordinary build."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        root = build("release", "--target", "simulate", "-j2")
        commands = json.loads((root / "compile_commands.json").read_text())
        lines = [(Path(entry["file"]), shlex.split(entry["command"])) for entry in commands]
        # Several programs compile a source in their own way. Entries name their output only from CMake 3.26 on; the
        # commands always do.
        self._compile = {file: words for file, words in lines if "tests/simulate/" in output_of(words)}
        self._root = root
        self.ordinary = root / "tests" / "simulate" / "simulate"

    def plant(self, defect: Defect) -> Path:
        """Builds the program with that defect. Returns its path."""
        source = NATIVE / defect.file
        text = source.read_text()
        if text.count(defect.old) != 1:
            raise ValueError(
                f"{defect.file} holds the text of the defect {defect.name!r} {text.count(defect.old)} times"
            )
        folder = self._folder / slug(defect)
        folder.mkdir()
        (folder / source.name).write_text(text.replace(defect.old, defect.new))
        changed, program = folder / "changed.o", folder / "simulate"
        command = self._compile[source]
        output = output_of(command)
        command = [*command[: command.index("-o")], "-w", "-o", str(changed), "-c", str(folder / source.name)]
        self._run(command)
        objects = [str(changed) if output_of(words) == output else output_of(words) for words in self._compile.values()]
        self._run([*command[: command.index("-DCALLRING_SIMULATED")], *objects, "-pthread", "-o", str(program)])
        return program

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, cwd=self._root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-4000:])


def look_for(defect: Defect, planter: Planter, events: int, seed: int) -> Outcome:
    """Runs random programs with one defect until it is found or ``events`` events have happened."""
    program = planter.plant(defect)
    command = [program, "--events", str(events), "--seed", str(seed), "--brief"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    program.unlink()
    found = re.search(r"^seed \d+, step \d+: (.*)$", done.stdout, re.MULTILINE)
    happened = re.search(r"^(\d+) events", done.stdout, re.MULTILINE)
    if done.returncode == 0 or not found or not happened:
        return Outcome(defect, None, "")
    return Outcome(defect, int(happened[1]), re.sub(r"\d+", "N", found[1]))


def output_of(command: list[str]) -> str:
    """The object that a compiler's command writes."""
    return command[command.index("-o") + 1]


def slug(defect: Defect) -> str:
    """The file name of a defect."""
    return re.sub(r"\W+", "_", defect.name)


def write_program(defect: Defect, planter: Planter, events: int, seed: int) -> Path:
    """Writes the shortest program that shows a defect into the corpus."""
    program = planter.plant(defect)
    command = [program, "--events", str(events), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    steps = re.findall(r"^(shape .*|[a-z_]+ \d+)  #", done.stdout, re.MULTILINE)
    path = CORPUS / f"{slug(defect)}.program"
    path.write_text("\n".join([f"# Once, {defect.name}.", *steps]) + "\n")
    for simulator, expected in ((program, 1), (planter.ordinary, 0)):
        if subprocess.run([simulator, "--replay", path], capture_output=True, check=False).returncode != expected:
            raise RuntimeError(f"{path} does not show that {defect.name}, and nothing else")
    return path


def line(outcome: Outcome) -> str:
    """The line of the page for one outcome."""
    events = "**not found**" if outcome.events is None else f"{outcome.events:,}"
    return f"| {outcome.defect.name} | `{outcome.defect.file}` | {events} | {outcome.found} |"


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.native.planted", description=__doc__)
    parser.add_argument(
        "--events", type=int, default=10_000_000, help="events within which a defect must be found (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="only defects whose name contains this; writes no page")
    parser.add_argument("--corpus", action="store_true", help="only rewrite the programs of the corpus")
    given = parser.parse_args()
    if given.corpus:
        CORPUS.mkdir(exist_ok=True)
        for old in CORPUS.glob("*.program"):
            old.unlink()
        with tempfile.TemporaryDirectory() as folder:
            planter = Planter(Path(folder))
            for defect in DEFECTS:
                if defect.was_there:
                    print(write_program(defect, planter, given.events, given.seed))
        return 0
    chosen = [defect for defect in DEFECTS if given.only is None or given.only in defect.name]
    lines, missed = [], 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(given.jobs) as pool:
        planter = Planter(Path(folder))
        for outcome in pool.map(lambda defect: look_for(defect, planter, given.events, given.seed), chosen):
            lines.append(line(outcome))
            missed += outcome.events is None
            print(lines[-1], flush=True)
    if given.only is None:
        PAGE.write_text(INTRODUCTION + "\n".join(lines) + "\n")
    print(f"{len(chosen) - missed} of {len(chosen)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
