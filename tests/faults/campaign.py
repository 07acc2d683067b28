"""All trials: each call and each allocation fails at its k-th use, for every k up to the last use."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.faults import scenarios, sources, trial
from tests.faults.control import NOTHING, Fault
from tests.faults.kept import Kept
from tests.faults.trial import Outcome

LASTING = (
    "epoll_create1",
    "eventfd",
    "fcntl",
    "memfd_create",
    "mmap",
    "pidfd_open",
    "posix_spawn",
    "socketpair",
    "start_thread",
)
"""Calls for resources that may run out for good: they also fail at their k-th use and at all later ones."""


@dataclass(frozen=True)
class Chain:
    """The trials of one call with k = 1, 2, ..."""

    scenario: str
    role: str
    call: str
    error: int
    lasting: bool

    def fault(self, k: int) -> Fault:
        return Fault(self.role, self.call, self.error, k, 1 << 62 if self.lasting else 1)

    def __str__(self) -> str:
        lasting = " from then on" if self.lasting else ""
        return f"{self.scenario}: {self.call} in {self.role}, {errno.errorcode[self.error]}{lasting}"


@dataclass
class Campaign:
    """Runs trials in several processes at a time, unless their outcomes are known, and collects the outcomes."""

    jobs: int
    only: dict[str, str]
    kept: Kept
    outcomes: list[Outcome] = field(default_factory=list)
    sites: set[tuple[str, str, int]] = field(default_factory=set)

    def run(self) -> Iterator[Outcome]:
        """Yields each outcome as it comes."""
        scenarios.kernels()
        with ProcessPoolExecutor(self.jobs, get_context("fork"), trial.become_reaper) as pool:
            names = [name for name in scenarios.SCENARIOS if self.only.get("scenario", name) == name]
            baselines = {name: self._begin(pool, name, NOTHING) for name in names}
            waiting: dict[Future[Outcome], tuple[Chain, int, int]] = {}
            for name, baseline in baselines.items():
                outcome = baseline.result()
                self._keep(outcome)
                yield outcome
                for chain, uses in self._chains(name, outcome.uses):
                    for k in range(1, uses + 2):
                        waiting[self._begin(pool, name, chain.fault(k))] = (chain, k, uses)
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    chain, k, uses = waiting.pop(future)
                    outcome = future.result()
                    self._keep(outcome)
                    yield outcome
                    if outcome.hits and k > uses:
                        following = self._begin(pool, chain.scenario, chain.fault(k + 1))
                        waiting[following] = (chain, k + 1, uses)

    def replay(self, lines: str) -> Iterator[Outcome]:
        """Runs the faults of a corpus: each line has scenario, role, call, error, k and the number of failing uses."""
        scenarios.kernels()
        with ProcessPoolExecutor(self.jobs, get_context("fork"), trial.become_reaper) as pool:
            waiting = []
            for line in lines.splitlines():
                if not line.startswith("#"):
                    scenario, role, call, error, k, times = line.split()
                    fault = Fault(role, call, getattr(errno, error), int(k), int(times))
                    waiting.append(self._begin(pool, scenario, fault))
            for future in waiting:
                self._keep(future.result())
                yield self.outcomes[-1]

    def _begin(self, pool: ProcessPoolExecutor, scenario: str, fault: Fault) -> Future[Outcome]:
        known = self.kept.find(scenario, fault)
        if known is None:
            return pool.submit(_try, scenario, fault)
        future = Future[Outcome]()
        future.set_result(known)
        return future

    def _keep(self, outcome: Outcome) -> None:
        if self.kept.find(outcome.scenario, outcome.fault) is None:
            self.kept.add(outcome)
        self.sites.update(map(tuple, outcome.sites))
        outcome.sites = []
        self.outcomes.append(outcome)

    def _chains(self, scenario: str, uses: dict[str, dict[str, int]]) -> Iterator[tuple[Chain, int]]:
        table = sources.table()
        for role, used in uses.items():
            for call, count in used.items():
                if self.only.get("role", role) != role or self.only.get("call", call) != call:
                    continue
                for name in table[call]:
                    yield Chain(scenario, role, call, getattr(errno, name), False), count
                if call in LASTING:
                    yield Chain(scenario, role, call, getattr(errno, table[call][0]), True), count


def _try(name: str, fault: Fault) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        return trial.run(name, scenarios.SCENARIOS[name], fault, Path(folder))
