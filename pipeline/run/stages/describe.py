"""describe: resolves and checks the whole configuration before any other stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.building.store import chosen_store
from pipeline.config.callables import describe_callables
from pipeline.config.compiler_flags import require_flags
from pipeline.config.keys import checked, filled, keys_of
from pipeline.config.schema import Config
from pipeline.config.specs import ChipSpec, PythonSpec
from pipeline.config.targets import Lookup, NotImported, takes_handles
from pipeline.config.topology import ENGINE, Level, parse_topology, topology_name
from pipeline.config.trust import allowed_packages
from pipeline.config.workload_schema import DeclaredWorkloadConfig, WorkloadConfig
from pipeline.lock.file import LockFile
from pipeline.run.stage_results import Described
from pipeline.workloads.base import FOR_NODES, NotImportedProgram, Workload
from runtime import WorkerOptions
from runtime.chips.platforms import require_platform
from runtime.errors import ConfigurationError, PlatformUnavailable
from runtime.hosting.requirements import require_engine
from runtime.processes.topology import NODE_LEVEL

STARTING = ("start", "register", "execute", "verify", "report")
"""The stages that start a Worker."""


def describe(
    config: Mapping[str, Any], folders: Sequence[Path], lock_file: LockFile, overrides: Sequence[str] = ()
) -> Described:
    """Validates a composed configuration.

    Args:
        config: the configuration as plain values; see pipeline.config.schema.Config.
        folders: folders of the configs, to find sources.
        lock_file: the lock file.
        overrides: overrides of the command line.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
        PlatformUnavailable: a requirement of the target is missing.
    """
    checked(Config, config, "")
    topology, target, build, workload = (config[key] for key in ("topology", "target", "build", "workload"))
    tree = parse_topology(topology)
    _require("target", lambda: require_platform(target["platform"]))
    _require("worker", lambda: WorkerOptions(**config["worker"]))
    if config["stage"] in STARTING:
        _require("topology.engine", lambda: require_engine(tree.engine))
        if tree.engine.is_remote:
            from runtime.hosting.head import require_head  # imported late: most topologies are of this machine

            require_head(tree.engine, ENGINE)
    if not isinstance(workload, Mapping):
        raise ConfigurationError(f"workload={workload!r}: choose one, for instance workload=vector_add")
    common = {key: value for key, value in workload.items() if key in keys_of(WorkloadConfig)}
    of_any: WorkloadConfig = filled(WorkloadConfig, common, "workload")
    lookup = Lookup(folders, allowed_packages(config["python_packages"]), importing=config["stage"] != "plan")
    chip_callables, python_callables = describe_callables(of_any.callables, lookup)
    made = _program(workload, tree, chip_callables, python_callables, lookup)
    for spec in python_callables if tree.children else ():
        _require_carried(spec, lookup)
    _require_callables(made, {c.name for c in chip_callables}, {c.name for c in python_callables})
    modelled = to_record = None
    if config["chip_model"] is not None:
        from pipeline.config.chip_model import parse_chip_model

        if tree.children:
            raise ConfigurationError(
                "chip_model: the tasks that nodes submit are known only in a run, and have no virtual time; choose a "
                f"topology of level {NODE_LEVEL}"
            )
        to_record = _program(workload, tree, chip_callables, python_callables, lookup)
        names = [*(spec.name for spec in chip_callables), *(spec.name for spec in python_callables)]
        modelled = parse_chip_model(config["chip_model"], names)
    elif config["stage"] == "model":
        raise ConfigurationError("chip_model: stage=model needs one; choose one, for instance +chip_model=example")
    _require_lockable(config["lock"], config["stage"], of_any.name)
    _require_comparable(config)
    require_flags(build["kernel_flags"], "build.kernel_flags")
    flags = tuple(build["kernel_flags"])
    return Described(
        workload_name=of_any.name,
        workload=made,
        warm_up=of_any.warm_up,
        repeat=of_any.repeat,
        capture=of_any.capture,
        chip_callables=chip_callables,
        python_callables=python_callables if tree.sub_workers or tree.children else (),
        declared_python_callables=python_callables,
        topology=topology_name(topology, overrides),
        tree=tree,
        platform=target["platform"],
        runtime=target["runtime"],
        target=target["name"],
        build=build["name"],
        cmake_build_type=build["cmake_build_type"],
        sanitizer=build["sanitizer"],
        kernel_flags=flags,
        store=chosen_store(config["store"]["path"]),
        worker_options=dict(config["worker"]),
        modelled=modelled,
        to_record=to_record,
        lock=config["lock"],
        lock_file=lock_file,
    )


def _require(section: str, check: Callable[[], object]) -> None:
    """Runs a check of the runtime, and adds the configuration's key to its error."""
    try:
        check()
    except (ConfigurationError, PlatformUnavailable) as error:
        raise type(error)(f"{section}.{error.args[0]}") from None


def _require_comparable(config: Mapping[str, Any]) -> None:
    """Refuses a comparison that would be impossible after the run, before anything runs."""
    path = config["compare"]
    if path:
        if config["stage"] not in ("plan", "execute", "verify", "report"):
            raise ConfigurationError(
                f"compare={path}: stage={config['stage']} measures nothing; stage=execute is the first that does"
            )
        from pipeline.baseline.earlier import load_earlier

        load_earlier(path)


def _require_lockable(lock: str, stage: str, workload_name: str) -> None:
    if lock == "off":
        return
    if stage == "describe":
        raise ConfigurationError(
            f"lock={lock}: stage=describe builds nothing to lock; stage=build is the first that does"
        )
    if not workload_name:
        raise ConfigurationError(f"workload.name: missing; lock={lock} keeps callables under it")


def _require_carried(spec: PythonSpec, lookup: Lookup) -> None:
    """Refuses a callable that takes handles without pickle_by_value: only a pickle carries handles."""
    key = f"workload.callables.{spec.name}"
    if not takes_handles(lookup.target(spec.target, f"{key}.target")):
        return
    if not spec.pickle_by_value:
        raise ConfigurationError(
            f"{key}.pickle_by_value=False: it takes handles, which only a pickle carries; set it to true"
        )


def _program(
    workload: Mapping[str, Any],
    tree: Level,
    chip_callables: Sequence[ChipSpec],
    python_callables: Sequence[PythonSpec],
    lookup: Lookup,
) -> Workload[Any]:
    """The program that the workload names, or the declared program."""
    rest = {key: value for key, value in workload.items() if key not in keys_of(WorkloadConfig)}
    if not workload.get("program"):
        from pipeline.workloads.declared.program import Declared

        checked(DeclaredWorkloadConfig, workload, "workload")
        if not rest:
            raise ConfigurationError("workload.program: missing; name one, or declare tensors and tasks")
        return Declared(rest, tree, chip_callables, python_callables, lookup)
    program = lookup.target(str(workload["program"]), "workload.program")
    if isinstance(program, NotImported):
        return NotImportedProgram(program.target, tuple(range(tree.chips)), tree.sub_workers)
    if not (isinstance(program, type) and issubclass(program, Workload)):
        raise ConfigurationError(
            f"workload.program={workload['program']!r}: not a subclass of pipeline.workloads.base.Workload"
        )
    if tree.level != NODE_LEVEL:
        raise ConfigurationError(
            f"topology.level={tree.level}: {program.__name__} runs on one node, level {NODE_LEVEL}; choose a topology "
            f"of that level, for instance +topology=node, or {FOR_NODES}"
        )
    made: Workload[Any] = program(rest, tuple(range(tree.chips)), tree.sub_workers)
    return made


def _require_callables(workload: Workload[Any], chips: set[str], pythons: set[str]) -> None:
    wanted = [(name, "chip", chips) for name in workload.chip_callables]
    if workload.sub_workers:
        wanted += [(name, "python", pythons) for name in workload.python_callables]
    for name, kind, given in wanted:
        if name not in given:
            raise ConfigurationError(
                f"workload.callables.{name}: missing; {type(workload).__name__} needs this {kind} callable "
                f"(add /callable@callables.{name}: ... to the workload's defaults)"
            )
