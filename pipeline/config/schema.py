"""The configuration's schema: every key that conf/ may set, with its type, default and range.

Its dataclasses have no ``__repr__`` and ``__eq__``: no code calls them, and they are half of the cost of a dataclass.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore

from pipeline.config.keys import key
from runtime.hosting.cluster import KINDS
from runtime.options import WorkerOptions

_OF_WORKER: dict[str, Any] = {option.name: option.default for option in fields(WorkerOptions)}


class Stage(Enum):
    """How far a run goes. ``plan`` prints the actions of a run, and performs none.

    Three stages maintain the installation and need no workload: ``doctor``, ``prune`` and ``schema``.
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
    """The form of standard output: lines for people, lines with whole hashes and file names, nothing, or JSON."""

    text = "text"
    verbose = "verbose"
    quiet = "quiet"
    json = "json"


FOR_PEOPLE = (Output.text.name, Output.verbose.name)
"""Outputs in lines, as the jobs print them."""


class Lock(Enum):
    """How a run uses the lock file after the build; see the how-to "Use the lock in CI"."""

    off = "off"
    write = "write"
    check = "check"


@dataclass(repr=False, eq=False)
class EngineConfig:
    """The engine that hosts the nodes of the outermost level; see runtime.hosting.Cluster."""

    kind: str = key("local", enum=KINDS)
    """``local``: processes of this machine; ``ray``: actors of a Ray cluster, with the extra ``ray``; ``fake``: for
    tests, processes of this machine that share no memory with the others."""
    address: str = "auto"
    """Of Ray: ``auto`` (the cluster that this machine belongs to), ``local`` (a cluster of this machine alone, started
    and ended with the run, which may have all nodes) or ``HOST:PORT``."""
    lost_after: float = key(15.0, exclusiveMinimum=0)
    """Seconds without an answer after which a host counts as lost."""
    one_per_machine: bool = True
    """Whether each machine has at most one node."""
    labels: dict[str, Any] = key({}, additionalProperties={"type": "string"})
    """Labels that a machine must have, by name."""
    token: str = ""
    """The file of the token with which the run authenticates itself; empty: without authentication."""
    tls: list[str] = key([])
    """The files of certificate, key and certificate authority, in this order; empty: connections are not encrypted."""


@dataclass(repr=False, eq=False)
class TopologyConfig:
    """One level of workers."""

    name: str = ""
    """A name for results. If it is empty, or the command line changes the topology, results list its processes."""
    level: int = key(3, minimum=3, maximum=16)
    """3: one Worker of chips and sub-workers; 4 and up: its children are Workers, one level below."""
    chips: int = key(1, minimum=0)
    """Simulated chips, each a process; 0 for a Worker of Python sub-workers alone, and from level 4 on."""
    sub_workers: int = key(0, minimum=0)
    """Processes that run Python callables."""
    children: list[Any] = key([], items={"$ref": "#/$defs/topology"})
    """Levels below, each with the keys of this one and a ``count`` (default 1); for level 4 and up, without chips."""
    engine: EngineConfig = field(default_factory=EngineConfig)


@dataclass(repr=False, eq=False)
class LevelConfig(TopologyConfig):
    """An entry of ``children``."""

    count: int = key(1, minimum=1)
    """Number of such levels below their parent."""


@dataclass(repr=False, eq=False)
class TaskCostConfig:
    """The cost of one callable's tasks in virtual time: an entry of ``chip_model.costs``; see runtime.TaskCost."""

    core_ns: float = 0.0
    """Nanoseconds of one core for each task; the task's blocks share them."""
    core_ns_per_byte: float = 0.0
    """Nanoseconds of one core for each byte that the task moves, in addition."""


@dataclass(repr=False, eq=False)
class ChipModelConfig:
    """The model of chips for virtual time, which is computed, never measured; see runtime.ChipModel."""

    name: str = ""
    """A name for people and for results."""
    latency_ns: int = 0
    """Nanoseconds from when the parent hands a task over until its chip has it."""
    bandwidth: float = 0.0
    """Bytes that a chip moves in a second; must be more than 0."""
    cores: int = 1
    """Cores of each chip; the blocks of a task spread over them."""
    dispatch_ns: int = 0
    """Nanoseconds that the parent needs to hand over one task."""
    costs: dict[str, Any] = key({}, additionalProperties={"$ref": "#/$defs/task_cost"})
    """Costs by the names of callables in the workload. A chip callable without a cost costs the bytes that it moves; a
    Python callable that runs must have a cost."""


@dataclass(repr=False, eq=False)
class TargetConfig:
    """The platform that callables are built for."""

    name: str = "a2a3sim"
    """A name for people and for results."""
    platform: str = "a2a3sim"
    """The kind of chips; ``stage=doctor`` lists the platforms that are usable here."""
    runtime: str = "host_build_graph"
    """The chip runtime; a chip callable is built and locked for one runtime."""


@dataclass(repr=False, eq=False)
class BuildConfig:
    """Settings of the compilation of the core and the kernels."""

    name: str = "release"
    """A name for people and for results."""
    cmake_build_type: str = "Release"
    """The core's build type, as CMake names it: ``Release``, ``RelWithDebInfo`` or ``Debug``."""
    sanitizer: str = key("", enum=("", "address", "undefined", "thread"))
    """The core's sanitizer; empty: none."""
    kernel_flags: list[str] = key([])
    """Further compiler flags of every kernel, after the flags of its callable."""


@dataclass(repr=False, eq=False)
class StoreConfig:
    """The store of built cores and callables."""

    path: str = ""
    """Empty: ``$CALLRING_STORE``, else ``~/.cache/callring``."""
    max_age_days: float = key(30.0, minimum=0)
    """Days; ``stage=prune`` removes entries that were last used longer ago."""
    max_bytes: int = key(10_000_000_000, minimum=0)
    """Bytes; ``stage=prune`` then removes the least recently used entries, until no more than this is left."""


@dataclass(repr=False, eq=False)
class PlanConfig:
    """Settings of the plan stage."""

    graph: str = ""
    """A file for the task graph as a picture (SVG); empty: none is drawn, and nothing on disk changes."""


@dataclass(repr=False, eq=False)
class WorkerConfig:
    """Options of the Worker: those of runtime.WorkerOptions, which documents them and has their defaults."""

    cores_per_chip: int | None = _OF_WORKER["cores_per_chip"]
    start_timeout: float = _OF_WORKER["start_timeout"]
    control_timeout: float = _OF_WORKER["control_timeout"]
    close_timeout: float = _OF_WORKER["close_timeout"]


@dataclass(repr=False, eq=False)
class ReportConfig:
    """Settings of a run's files."""

    environment: bool = False
    """Whether a run's files contain values of environment variables, or only the config's text ``${oc.env:NAME}``."""


@dataclass(repr=False, eq=False)
class Config:
    """The whole configuration."""

    stage: Stage = Stage.report
    output: Output = Output.text
    lock: Lock = Lock.off
    lock_file: str = ""
    """The lock file; empty: ``callables.lock.yaml`` beside the user's configs, else in the current folder."""
    compare: str = ""
    """An earlier result.json, run directory or sweep directory to compare with; empty: none."""
    compare_threshold: float = key(1.1, exclusiveMinimum=0)
    """The greatest accepted ratio of a run's time to the earlier one; if it is surely exceeded, the exit code is 6."""
    live: bool = False
    """Whether a page on 127.0.0.1 shows the run in progress; the address is printed."""
    live_port: int = 0
    """The port of that page; 0: any free one."""
    topology: TopologyConfig = field(default_factory=TopologyConfig)
    chip_model: ChipModelConfig | None = None
    """Chosen with ``+chip_model=<option>``: the chips for which the graph's virtual time is computed."""
    target: TargetConfig = field(default_factory=TargetConfig)
    build: BuildConfig = field(default_factory=BuildConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    python_packages: list[str] = field(default_factory=lambda: ["pipeline"])
    """Package prefixes from which Python targets may come: set on the command line or in the primary config only."""
    workload: Any = key(None, **{"$ref": "#/$defs/workload"})
    """The workload: WorkloadConfig, or a program with settings of its own; validated by the describe stage."""


@dataclass(repr=False, eq=False)
class ChipCallableConfig:
    """A chip callable: one file of conf/callable."""

    name: str = ""
    """A name for people; a workload names its callables itself."""
    kind: str = "chip"
    """``chip``."""
    entry: str = ""
    """Name of the C function, of the orchestration or of the single kernel."""
    signature: list[str] = key([])
    """``in``, ``out``, ``inout`` or ``scalar`` for each argument, in order."""
    source: str = ""
    """File of the orchestration function, or of the single kernel if there are no ``kernels``."""
    kernels: list[KernelConfig] = key([])
    """The kernels that the orchestration function launches, each with the keys of KernelConfig."""
    flags: list[str] = key([])
    """Compiler flags of this callable."""
    flop: float = key(0.0, minimum=0)
    """Floating-point operations of one task, for reports; ``${callring.product:2,${workload.n}}`` multiplies."""
    bytes: float = key(0.0, minimum=0)
    """Bytes that one task moves, for reports."""


@dataclass(repr=False, eq=False)
class KernelConfig:
    """One kernel of a chip callable."""

    name: str = ""
    """Name of its C function."""
    source: str = ""
    """Its file."""
    signature: list[str] = key([])
    """As for a chip callable."""
    func_id: int | None = None
    """The id by which the orchestration function launches it; default: its place in the list."""
    core_kind: str = "aiv"
    """A label of the kind of cores that it needs, such as ``aiv`` or ``aic``; part of the callable's hashid."""


@dataclass(repr=False, eq=False)
class PythonCallableConfig:
    """A Python callable: one file of conf/callable."""

    name: str = ""
    """A name for people; a workload names its callables itself."""
    kind: str = "python"
    """``python``."""
    target: str = ""
    """``module:qualname``."""
    pickle_by_value: bool = False
    """Identify it by its pickle (kind 2) instead of its module's source (kind 4)."""
    flop: float = key(0.0, minimum=0)
    """As for a chip callable."""
    bytes: float = key(0.0, minimum=0)
    """As for a chip callable."""


@functools.cache
def register_schema() -> None:
    """Registers the schema with Hydra, once in a process, under the name that conf/config.yaml begins with."""
    ConfigStore.instance().store(name="schema", node=Config)
