"""The outcomes of trials in a file, so that a campaign that was interrupted goes on where it ended."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from tests.faults.control import NOTHING, Fault
from tests.faults.trial import Outcome


class Kept:
    """Outcomes by scenario and fault: those of ``path`` for the present core, and those that are added to it.

    Each line of the file is one outcome as JSON, with the digest of the core that it belongs to. Outcomes of other
    cores are passed over, because a change moves the uses that fail. Without a path nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._core = _digest(Path(os.environ["CALLRING_CORE_DIR"]))
        self._outcomes: dict[tuple[str, Fault], Outcome] = {}
        if path is not None and path.exists():
            text = path.read_text()
            whole = text[: text.rfind("\n") + 1]
            path.write_text(whole)  # without the line of a writer that was killed
            for line in whole.splitlines():
                self._read(json.loads(line))

    def find(self, scenario: str, fault: Fault) -> Outcome | None:
        """The outcome of an earlier trial."""
        return self._outcomes.get((scenario, fault))

    def add(self, outcome: Outcome) -> None:
        """Writes the outcome of a new trial. Only a trial without a fault needs its numbers of uses again."""
        if self._path is not None:
            row = asdict(outcome) | {"core": self._core}
            if outcome.fault != NOTHING:
                row["uses"] = {}
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def _read(self, row: dict[str, object]) -> None:
        if row["core"] == self._core:
            outcome = _outcome(row)
            self._outcomes[outcome.scenario, outcome.fault] = outcome


def read(path: Path) -> list[Outcome]:
    """All outcomes in a file that was written to its end, of whichever core."""
    return [_outcome(json.loads(line)) for line in path.read_text().splitlines()]


def _outcome(row: dict[str, object]) -> Outcome:
    outcome = Outcome(**{name: value for name, value in row.items() if name != "core"})  # type: ignore[arg-type]
    outcome.fault = Fault(*outcome.fault)
    outcome.sites = [(call, file, line) for call, file, line in outcome.sites]
    return outcome


def _digest(core: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in core.rglob("*") if path.is_file()):
        digest.update(file.read_bytes())
    return digest.hexdigest()
