"""A plan for people: what would be built and why, what would start, what would run."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.plan.model import Plan, PlannedProcess

_MANY = 4
"""Of more processes of one kind, the first and the last are shown."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """The lines behind those of the builds: processes, then tasks."""
    names = [name.partition(" ")[0] for name in _names(plan.processes)]
    of = f"{names.count('chip')} chips, {names.count('sub-worker')} sub-workers"
    yield f"{'would start':<12}{plan.processes.count} processes: {of}"
    yield from (f"{'':<12}{line}" for line in _tree(plan.processes, "", ""))
    graph = plan.graph
    if graph.not_imported:
        runs = f"{plan.workload} on {plan.topology} for {plan.target}, {plan.runs} times"
        yield f"{'would run':<12}{runs}: what {graph.not_imported} submits; a plan imports no code of yours"
        return
    tasks = f"{len(graph.tasks)} task{'' if len(graph.tasks) == 1 else 's'}, {graph.edges} dependencies"
    longest = 1 + max(graph.depths(), default=-1)
    rest = "" if graph.complete else "; more follow from results that only a run knows"
    yield f"{'would run':<12}{plan.workload} on {plan.topology} for {plan.target}, {plan.runs} times" + (
        f": {tasks}, the longest chain {longest}{rest}"
    )
    counts: dict[str, list[int]] = {}
    for (name, _), count in graph.counts().items():
        counts.setdefault(name, []).append(count)
    for name, found in counts.items():
        each = str(min(found)) if min(found) == max(found) else f"{min(found)} to {max(found)}"
        places = f"in {len(found)} place{'' if len(found) == 1 else 's'}, {each} in each"
        yield f"{'':<12}{name:<22} {sum(found)} task{'' if sum(found) == 1 else 's'} {places}"


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
