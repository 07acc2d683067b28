"""The configuration's schema: every key that conf/ may set, with its type, default and range.

Without ``__repr__`` and ``__eq__``, which no code calls: they are half of what a dataclass costs at every start.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore

from pipeline.config.keys import key
from runtime.options import WorkerOptions

_OF_WORKER: dict[str, Any] = {option.name: option.default for option in fields(WorkerOptions)}


class Stage(Enum):
    """How far a run goes. ``plan`` says what would happen and does nothing.

    Three look after the installation and need no workload: ``doctor``, ``prune`` and ``schema``.
    """

    plan = "plan"
    doctor = "doctor"
    prune = "prune"
    schema = "schema"
    describe = "describe"
    build = "build"
    load = "load"
    model = "model"
    start = "start"
    register = "register"
    execute = "execute"
    verify = "verify"
    report = "report"


class Output(Enum):
    """What goes to standard output: lines for people, with whole hashes and file names, nothing, or JSON."""

    text = "text"
    verbose = "verbose"
    quiet = "quiet"
    json = "json"


FOR_PEOPLE = (Output.text.name, Output.verbose.name)
"""Outputs that are lines, as the jobs themselves print them."""


class Lock(Enum):
    """What a run does with the lock file after the build; see pipeline.run.stages.lock."""

    off = "off"
    write = "write"
    check = "check"


@dataclass(repr=False, eq=False)
class TopologyConfig:
    """One level of workers."""

    name: str = ""
    """Empty: results name it by what it consists of, as they do if the command line changes one that has a name."""
    level: int = key(3, minimum=3, maximum=16)
    """3: one Worker of chips and sub-workers; 4 and up: its children are Workers, one level below."""
    chips: int = key(1, minimum=0)
    """Simulated chips, each a process; 0 for a Worker of Python sub-workers alone, and from level 4 on."""
    sub_workers: int = key(0, minimum=0)
    """Processes that run Python callables."""
    children: list[Any] = key([], items={"$ref": "#/$defs/topology"})
    """Levels below, each like this one, with a ``count`` (default 1); for level 4 and up, which has no chips."""


@dataclass(repr=False, eq=False)
class LevelConfig(TopologyConfig):
    """An entry of ``children``."""

    count: int = key(1, minimum=1)
    """How many like this there are below their parent."""


@dataclass(repr=False, eq=False)
class TaskCostConfig:
    """What the tasks of one callable cost in virtual time: an entry of ``chip_model.costs``; see runtime.TaskCost."""

    core_ns: float = 0.0
    """Nanoseconds of one core for each task; its blocks share them."""
    core_ns_per_byte: float = 0.0
    """Nanoseconds of one core for each byte that the task moves, in addition."""


@dataclass(repr=False, eq=False)
class ChipModelConfig:
    """What chips are taken for in virtual time, which is computed, never measured; see runtime.ChipModel."""

    name: str = ""
    """For people and for results."""
    latency_ns: int = 0
    """Nanoseconds from when the parent hands a task over until its chip has it."""
    bandwidth: float = 0.0
    """Bytes that a chip moves in a second; must be more than 0."""
    cores: int = 1
    """Of each chip; the blocks of a task spread over them."""
    dispatch_ns: int = 0
    """Nanoseconds for which the parent is busy with handing over one task."""
    costs: dict[str, Any] = key({}, additionalProperties={"$ref": "#/$defs/task_cost"})
    """By the name of the callable in the workload. A chip callable without one costs the bytes that it moves; a Python
    callable that runs must have one."""


@dataclass(repr=False, eq=False)
class TargetConfig:
    """What callables are built for."""

    name: str = "a2a3sim"
    """For people and for results."""
    platform: str = "a2a3sim"
    """What the chips are; ``stage=doctor`` lists those that are usable here."""
    runtime: str = "host_build_graph"
    """How chip callables are run on the platform; each is kept and locked for one."""


@dataclass(repr=False, eq=False)
class BuildConfig:
    """How the core and the kernels are compiled."""

    name: str = "release"
    """For people and for results."""
    cmake_build_type: str = "Release"
    """Of the core, as CMake names it: ``Release``, ``RelWithDebInfo`` or ``Debug``."""
    sanitizer: str = key("", enum=("", "address", "undefined", "thread"))
    """In the core; empty: none."""
    kernel_flags: list[str] = key([])
    """Further compiler flags of every kernel, behind the callable's own."""


@dataclass(repr=False, eq=False)
class StoreConfig:
    """Where built things are kept."""

    path: str = ""
    """Empty: ``$CALLRING_STORE``, else ``~/.cache/callring``."""
    max_age_days: float = key(30.0, minimum=0)
    """Days; ``stage=prune`` removes what was last used longer ago."""
    max_bytes: int = key(10_000_000_000, minimum=0)
    """Bytes; ``stage=prune`` then removes what was not used for longest, until no more than this is left."""


@dataclass(repr=False, eq=False)
class PlanConfig:
    """What ``stage=plan`` does beside printing."""

    graph: str = ""
    """A file for the task graph as a picture (SVG); empty: none is drawn, and nothing on disk changes."""


@dataclass(repr=False, eq=False)
class WorkerConfig:
    """Options of the Worker: those of runtime.WorkerOptions, which has their defaults and says what they are."""

    cores_per_chip: int | None = _OF_WORKER["cores_per_chip"]
    start_timeout: float = _OF_WORKER["start_timeout"]
    control_timeout: float = _OF_WORKER["control_timeout"]
    close_timeout: float = _OF_WORKER["close_timeout"]


@dataclass(repr=False, eq=False)
class ReportConfig:
    """What a run's files say."""

    environment: bool = False
    """Whether values of environment variables are written; else what the config says, ``${oc.env:NAME}``, is."""


@dataclass(repr=False, eq=False)
class Config:
    """The whole configuration."""

    stage: Stage = Stage.report
    output: Output = Output.text
    lock: Lock = Lock.off
    lock_file: str = ""
    """Empty: ``callables.lock.yaml`` beside the user's configs, else where the command was started."""
    compare: str = ""
    """An earlier result.json, run directory or sweep directory to compare with; empty: none."""
    compare_threshold: float = key(1.1, exclusiveMinimum=0)
    """How many times as long as before a run may surely take; beyond it the exit code is 6."""
    live: bool = False
    """Whether a page on 127.0.0.1 shows what is running, while it runs; the address is printed."""
    live_port: int = 0
    """Of that page; 0: any that is free."""
    topology: TopologyConfig = field(default_factory=TopologyConfig)
    chip_model: ChipModelConfig | None = None
    """Chosen with ``+chip_model=<option>``: what the same graph would take on chips like that, in virtual time."""
    target: TargetConfig = field(default_factory=TargetConfig)
    build: BuildConfig = field(default_factory=BuildConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    python_packages: list[str] = field(default_factory=lambda: ["pipeline"])
    """Package prefixes from which Python targets may come: of the command line or the primary config, no other file."""
    workload: Any = key(None, **{"$ref": "#/$defs/workload"})
    """What runs: WorkloadConfig, or a program with settings of its own; validated by the describe stage."""


@dataclass(repr=False, eq=False)
class ChipCallableConfig:
    """A chip callable: one file of conf/callable."""

    name: str = ""
    """For people; a workload names its callables itself."""
    kind: str = "chip"
    """``chip``."""
    entry: str = ""
    """Name of the C function, of the orchestration or of the single kernel."""
    signature: list[str] = key([])
    """``in``, ``out``, ``inout`` or ``scalar`` for each argument, in order."""
    source: str = ""
    """File of the orchestration function, or of the single kernel if there are no ``kernels``."""
    kernels: list[KernelConfig] = key([])
    """What the orchestration function launches; each as KernelConfig says."""
    flags: list[str] = key([])
    """Compiler flags of this callable."""
    flop: float = key(0.0, minimum=0)
    """Floating-point operations of one task, for reports; ``${callring.product:2,${workload.n}}`` multiplies."""
    bytes: float = key(0.0, minimum=0)
    """Bytes that one task moves, likewise."""


@dataclass(repr=False, eq=False)
class KernelConfig:
    """One kernel of a chip callable."""

    name: str = ""
    """Name of its C function."""
    source: str = ""
    """Its file."""
    signature: list[str] = key([])
    """As of a chip callable."""
    func_id: int | None = None
    """By which the orchestration function launches it; default: its place in the list."""
    core_kind: str = "aiv"
    """A label of the cores that it is for, such as ``aiv`` or ``aic``; part of the callable's hashid."""


@dataclass(repr=False, eq=False)
class PythonCallableConfig:
    """A Python callable: one file of conf/callable."""

    name: str = ""
    """For people; a workload names its callables itself."""
    kind: str = "python"
    """``python``."""
    target: str = ""
    """``module:qualname``."""
    pickle_by_value: bool = False
    """Identify it by its pickle (kind 2) instead of its module's source (kind 4)."""
    flop: float = key(0.0, minimum=0)
    """As of a chip callable."""
    bytes: float = key(0.0, minimum=0)
    """As of a chip callable."""


@functools.cache
def register_schema() -> None:
    """Makes the schema known to Hydra, once in a process, under the name that conf/config.yaml begins with."""
    ConfigStore.instance().store(name="schema", node=Config)
