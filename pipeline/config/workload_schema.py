"""The schema of a workload: what any may have, and what a declared one is made of; expressions are text here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.config.keys import key

Number = float | str
"""A number, or an expression over the names that are known where it stands."""
_NUMBER = {"type": ["number", "string"]}
_ROUNDS = {"anyOf": [_NUMBER, {"type": "array", "items": {"type": "integer"}}]}

DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)
"""What a tensor can be made of; all but the last three are integers."""
TAGS = ("in", "out", "inout", "out_existing", "no_dep")
"""How a task uses a piece of a tensor."""


@dataclass(repr=False, eq=False)
class TensorConfig:
    """One tensor."""

    shape: list[Number] = key([])
    """Extents, at least 1; left out with a file."""
    dtype: str = key("float32", enum=DTYPES)
    """Of its elements; of a file, the default is the file's."""
    fill: Number = "zeros"
    """``zeros``, ``random``, a number, or a file .npy or .npz."""
    seed: int = key(0, minimum=0)
    """Decides, with the tensor's name, what ``random`` gives."""
    array: str = ""
    """Which of the arrays of a file .npz; left out if it has one."""


@dataclass(repr=False, eq=False)
class TaskConfig:
    """A task, or a loop around further entries."""

    callable: str = ""
    """One of the workload's callables."""
    for_: dict[str, Any] = key({}, additionalProperties=_ROUNDS)
    """Loop variables, each with a number of rounds or a list of values."""
    where: Number = ""
    """The chip or the node; ``sub`` for any sub-worker. Left out, the loop variable ``chip`` or ``node``."""
    args: list[Any] = key(
        [],
        items={
            "type": "object",
            "properties": dict.fromkeys((*TAGS, "scalar"), _NUMBER),
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    )
    """Pieces of tensors by tag, and scalars, in the order of the signature."""
    blocks: Number = 0
    """Blocks that the kernel is launched with; 0: one for each core."""
    tasks: list[TaskConfig] = key([])
    """Entries that the loop is around, in place of a task."""


@dataclass(repr=False, eq=False)
class ToleranceConfig:
    """How far an element may be off: ``absolute + relative * |expected|``; left out, the dtype decides."""

    relative: float | None = key(None, minimum=0)
    """Of what is expected."""
    absolute: float | None = key(None, minimum=0)
    """In the tensor's unit."""


@dataclass(repr=False, eq=False)
class VerifyConfig:
    """What the tensors must hold after the last run."""

    golden: str = ""
    """``module:function`` of the tensors' first contents and the sizes: gives what is expected, by name."""
    expected: dict[str, str | TensorConfig] = key({})
    """By tensor a file .npy or .npz, or ``fill`` and ``array`` of one."""
    tolerance: ToleranceConfig = field(default_factory=ToleranceConfig)


@dataclass(repr=False, eq=False)
class WorkloadConfig:
    """What any workload may have; a program has settings of its own beside."""

    name: str = ""
    """For people, for results, and for the lock file."""
    program: str = ""
    """``module:Class``; its settings are further keys, in place of those of a declared workload."""
    callables: dict[str, Any] = key({}, additionalProperties={"$ref": "#/$defs/callable"})
    """By the names that tasks use; composed through the defaults."""
    warm_up: int = key(0, minimum=0)
    """Runs before those that are measured."""
    repeat: int = key(1, minimum=1)
    """Runs that are measured."""
    capture: bool = False
    """Records what one run submits, and launches that graph for every run."""


@dataclass(repr=False, eq=False)
class DeclaredWorkloadConfig(WorkloadConfig):
    """What runs: a program with settings of its own, or tensors and tasks."""

    sizes: dict[str, Number] = key({})
    """Numbers by name; each may be computed from those before it."""
    tensors: dict[str, TensorConfig] = key({})
    """By name, made before the first run in memory that all workers share."""
    tasks: list[TaskConfig] = key([])
    """In the order in which they are submitted."""
    orchestration: str = ""
    """``module:function``, called with (o, tensors, handles, context) instead of submitting tasks."""
    verify: VerifyConfig = field(default_factory=VerifyConfig)
