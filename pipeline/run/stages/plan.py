"""plan: prints what a run would do, and why, and changes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.building.chip_callables import CallableBuilder
from pipeline.building.core import Core, core_origin, earlier_cores, find_core, installed_origin
from pipeline.plan.machines import planned_machines
from pipeline.plan.model import Plan, PlannedBuild, PlannedProcess
from pipeline.plan.picture import graph_svg
from pipeline.plan.reasons import DAMAGED, reasons_to_build
from pipeline.plan.recorder import record
from pipeline.plan.text import plan_lines
from pipeline.run.stages.build import chip_hashid
from pipeline.run.stages.lock import plan_lock
from runtime.errors import CallringError, ConfigurationError
from runtime.identity import build_python_source_descriptor, compute_callable_hashid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config.specs import ChipSpec
    from pipeline.config.topology import Level
    from pipeline.run.stage_results import Described
    from pipeline.terminal.console import Console
    from runtime import ChipCallable


def plan(described: Described, console: Console, picture: str) -> Plan:
    """Prints the plan and returns it.

    Args:
        described: the described run.
        console: prints the plan.
        picture: a file for the task graph as SVG; empty: no file.

    Raises:
        ConfigurationError: like ``lock``; the picture cannot be written. Also every error of ``prepare`` and
        ``orchestrate``.
    """
    builder = CallableBuilder(described.store, described.platform, described.kernel_flags, read_only=True)
    cached = {spec.name: found for spec in described.chip_callables if (found := builder.find(spec))}
    core = find_core(described, read_only=True)
    builds = [_core(described, core), *(_chip(described, builder, cached, spec) for spec in described.chip_callables)]
    builds += [_python(spec.name, spec.target, spec.pickle_by_value) for spec in described.python_callables]
    names = [build.name for build in builds if build.kind != "core"]
    recording = record(described.workload, names, "node" if described.tree.children else "chip")
    virtual = None
    if described.modelled is not None and not described.workload.not_imported:
        from pipeline.report.virtual import virtual_document, virtual_words
        from pipeline.run.stages.model import virtual_record

        virtual = virtual_record(described, described.modelled, recording)
    made = Plan(
        described.workload_name,
        described.topology,
        described.target,
        described.build,
        described.warm_up + described.repeat,
        tuple(builds),
        _processes(described.tree),
        recording.planned,
        planned_machines(described.tree),
        virtual_document(virtual) if virtual else None,
    )
    for build in builds:
        console.action(build.state, build.name, hashed=build.hashid)
        for reason in build.reasons:
            console.line(f"{'':<12}{reason}")
    if described.lock != "off":
        plan_lock(described, cached, builder, console)
    for line in plan_lines(made):
        console.line(line)
    if virtual:
        console.line(f"{'would take':<12}{virtual_words(virtual)}")
    if picture:
        try:
            Path(picture).write_text(graph_svg(made))
        except OSError as error:
            raise ConfigurationError(f"plan.graph={picture}: cannot be written: {error.strerror}") from None
        console.action("drawn", picture)
    return made


def plan_text(made: Plan) -> str:
    """The plan as JSON."""
    graph = {"edges": made.graph.edges, "depth": 1 + max(made.graph.depths(), default=-1)}
    document: dict[str, Any] = asdict(made)
    document["graph"] = {**graph, **document["graph"]}
    document["processes"]["count"] = made.processes.count
    return json.dumps(document, indent=2, ensure_ascii=False)


def _core(described: Described, core: Core) -> PlannedBuild:
    name = f"core ({described.build})"
    if core.folder is not None:
        return PlannedBuild(name, "core", "built" if core.loaded else "cached", core.key)
    wanted = core_origin(described, read_only=True)
    found = reasons_to_build(wanted, earlier_cores(described))
    installed = [
        f"the installed core has {key} {value or 'none'}"
        for key, value in installed_origin().items()
        if wanted[key] != value
    ]
    installed = installed or ["the installed core was built from other sources"]
    return PlannedBuild(name, "core", "would build", core.key, (*installed, *found))


def _chip(
    described: Described, builder: CallableBuilder, cached: Mapping[str, ChipCallable], spec: ChipSpec
) -> PlannedBuild:
    found = cached.get(spec.name)
    if found is not None:
        return PlannedBuild(spec.name, "chip", "cached", chip_hashid(described, found))
    try:
        damaged = (DAMAGED,) if builder.damaged(spec) else ()
        reasons = damaged or reasons_to_build(builder.origin(spec), builder.earlier_origins(spec))
    except CallringError as error:
        # The compiler cannot list the headers of the source: the build would fail for the same reason.
        reasons = (f"and fail: {str(error.args[0]).splitlines()[0]}",)
    return PlannedBuild(spec.name, "chip", "would build", "", reasons)


def _python(name: str, target: str, by_value: bool) -> PlannedBuild:
    hashid = "" if by_value else compute_callable_hashid(build_python_source_descriptor(target))
    return PlannedBuild(name, "python", "hashed", hashid)


def _processes(level: Level, name: str = "parent") -> PlannedProcess:
    chips = [PlannedProcess(f"chip {i}") for i in range(level.chips)]
    nodes = [_processes(child, child.name) for child in level.children]
    forked = (*nodes, *(PlannedProcess(f"sub-worker {i}") for i in range(level.sub_workers)))
    server = [PlannedProcess("fork server", forked)] if forked else []
    return PlannedProcess(name, (*chips, *server))
