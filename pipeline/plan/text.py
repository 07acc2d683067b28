"""A plan for people: the builds and their reasons, the processes, the tasks."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.common.counts import count_of
from pipeline.plan.model import Plan, PlannedMachines, PlannedProcess

_MANY = 4
"""Of more processes below one parent, only the first and the last are shown."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """The lines after those of the builds: processes, then tasks."""
    names = [name.partition(" ")[0] for name in _names(plan.processes)]
    of = f"{count_of(names.count('chip'), 'chip')}, {count_of(names.count('sub-worker'), 'sub-worker')}"
    yield f"{'would start':<12}{count_of(plan.processes.count, 'process', 'processes')}: {of}"
    yield from (f"{'':<12}{line}" for line in _tree(plan.processes, "", ""))
    if plan.machines is not None:
        yield f"{'would use':<12}{machines_words(plan.machines)}"
    graph = plan.graph
    if graph.not_imported:
        runs = f"{plan.workload} on {plan.topology} for {plan.target}, {count_of(plan.runs, 'time')}"
        yield f"{'would run':<12}{runs}: the tasks that {graph.not_imported} submits; a plan imports no code of yours"
        return
    tasks = f"{count_of(len(graph.tasks), 'task')}, {count_of(graph.edges, 'dependency', 'dependencies')}"
    longest = 1 + max(graph.depths(), default=-1)
    rest = "" if graph.complete else "; further tasks depend on results, which only a run has"
    yield f"{'would run':<12}{plan.workload} on {plan.topology} for {plan.target}, {count_of(plan.runs, 'time')}" + (
        f": {tasks}, the longest chain {longest}{rest}"
    )
    counts: dict[str, list[int]] = {}
    for (name, _), count in graph.counts().items():
        counts.setdefault(name, []).append(count)
    for name, found in counts.items():
        each = str(min(found)) if min(found) == max(found) else f"{min(found)} to {max(found)}"
        places = f"in {count_of(len(found), 'place')}, {each} in each"
        yield f"{'':<12}{name:<22} {count_of(sum(found), 'task')} {places}"


def machines_words(machines: PlannedMachines) -> str:
    """The wanted and the found machines."""
    wanted = f"{count_of(machines.wanted, 'machine')} of {machines.engine} at {machines.address}"
    if machines.found is None:
        return f"{wanted}; {machines.unknown}"
    lacking = machines.wanted - len(machines.found)
    names = f" ({', '.join(machines.found)})" if machines.found else ""
    return f"{wanted}; found {len(machines.found)}{names}" + (f", {lacking} too few" if lacking > 0 else "")


def _names(process: PlannedProcess) -> Iterator[str]:
    yield process.name
    for child in process.children:
        yield from _names(child)


def _tree(process: PlannedProcess, prefix: str, below: str) -> Iterator[str]:
    yield f"{prefix}{process.name}"
    children = list(process.children)
    shown: list[PlannedProcess | str] = [*children]
    if len(children) > _MANY and not any(child.children for child in children):
        shown = [children[0], f"... {len(children) - 2} more", children[-1]]
    for i, child in enumerate(shown):
        last = i == len(shown) - 1
        branch, rest = ("`- ", "   ") if last else ("|- ", "|  ")
        if isinstance(child, str):
            yield f"{below}{branch}{child}"
        else:
            yield from _tree(child, f"{below}{branch}", f"{below}{rest}")
