"""The page of the documentation: the trials and their outcomes."""

from __future__ import annotations

import errno
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import scenarios, sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.faults.trial import Outcome

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"

_INTRODUCTION = """\
# Faults of the system

A system call may fail, and memory may run out, at any moment. `python -m tests.faults` builds a native core in which
each system call, each start of a thread and each allocation (`new`) can fail, runs [scenarios](#scenarios) with one
fault at a time, and wrote this page. The *k*-th use fails, for every *k* up to the last use; calls for resources that
may run out also fail at all later uses. The outcome must be success or an error of `runtime.errors`. It is wrong if a
process crashes or is left behind, if a call hangs, if a value is wrong, if a descriptor, a mapping, a thread or a child
is left when the Worker is closed, or if a new Worker in the same process does not work.

Allocations before the first system call of a process (during the import of the extension) and allocations of Python
are not counted.

"""
_CALLS = """\
## Calls

Sites are the places of a call in `native/`; the table shows how many of them the scenarios reached. The others need two
faults, or a feature that only some machines have. Trials that did not reach their fault are not counted.

| call | fails with | sites | reached | most *k* | trials | success | error | wrong |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""
_SCENARIOS = """\
## Scenarios

| scenario | what it does | trials | success | error | wrong | under AddressSanitizer | wrong |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def page(outcomes: Iterable[Outcome], places: Iterable[tuple[str, str, int]], sanitized: Sequence[Outcome] = ()) -> str:
    """The whole page.

    Args:
        outcomes: of all trials.
        places: the sites that the scenarios reached: call, file and line.
        sanitized: the outcomes of the same campaign with a sanitizer, if there was one.
    """
    by_call: dict[str, list[Outcome]] = defaultdict(list)
    by_scenario: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.hits:
            by_call[outcome.fault.call].append(outcome)
            by_scenario[outcome.scenario].append(outcome)
    sites, reached = sources.sites(), sources.reached(places)
    text = _INTRODUCTION + _SCENARIOS
    for name, scenario in scenarios.SCENARIOS.items():
        text += f"| {name} | {(scenario.__doc__ or '').strip()} | {_counts(by_scenario[name])} "
        checked = Counter(one.kind for one in sanitized if one.hits and one.scenario == name)
        text += f"| {checked.total():,} | {checked['wrong']} |\n" if checked else "| | |\n"
    spent = sum(outcome.seconds for outcome in outcomes)
    text += f"\nAll trials together took {spent / 60:.0f} minutes; two cores run several at a time.\n\n{_CALLS}"
    for call, errors in sources.table().items():
        known = [site for site in sites if site.call == call]
        where = "any" if call == "operator_new" else str(len(known))
        most = max((outcome.fault.first for outcome in by_call[call]), default=0)
        name = "`new`" if call == "operator_new" else f"`{call}`"
        seen = "" if where == "any" else len(reached.intersection(known))
        text += f"| {name} | {', '.join(errors)} | {where} | {seen} | {most} "
        text += f"| {_counts(by_call[call])} |\n"
    return text


def _counts(outcomes: list[Outcome]) -> str:
    kinds = Counter(outcome.kind for outcome in outcomes)
    return " | ".join(f"{n:,}" for n in (len(outcomes), kinds["success"], kinds["error"], kinds["wrong"]))


def words(outcome: Outcome) -> str:
    """The description of one fault."""
    fault = outcome.fault
    lasting = " and all that follow" if fault.times > 1 else ""
    return (
        f"{outcome.scenario}: use {fault.first}{lasting} of {fault.call} in {fault.role}: "
        f"{errno.errorcode.get(fault.error, '')}"
    )
