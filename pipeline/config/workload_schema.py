"""The schema of a workload: the keys of every workload, and those of declared ones. Expressions are text here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.config.keys import key

Number = float | str
"""A number, or an expression over the names that are known at its place."""
_NUMBER = {"type": ["number", "string"]}
_ROUNDS = {"anyOf": [_NUMBER, {"type": "array", "items": {"type": "integer"}}]}

DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)
"""The dtypes of tensors; all but the last three are integers."""
TAGS = ("in", "out", "inout", "out_existing", "no_dep")
"""How a task uses a piece of a tensor."""


@dataclass(repr=False, eq=False)
class TensorConfig:
    """One tensor."""

    shape: list[Number] = key([])
    """The extents, each at least 1; not set if ``fill`` is a file."""
    dtype: str = key("float32", enum=DTYPES)
    """The dtype of the elements; for a file, its default is the file's."""
    fill: Number = "zeros"
    """The initial contents: ``zeros``, ``random``, a number, or a file .npy or .npz."""
    seed: int = key(0, minimum=0)
    """The numbers of ``random`` follow from this seed and the tensor's name."""
    array: str = ""
    """The name of the array in a file .npz; not needed if the file has only one."""


@dataclass(repr=False, eq=False)
class TaskConfig:
    """A task, or a loop around further entries."""

    callable: str = ""
    """The name of one of the workload's callables."""
    for_: dict[str, Any] = key({}, additionalProperties=_ROUNDS)
    """Loop variables, each with a number of rounds or a list of values."""
    where: Number = ""
    """The number of the chip or node, or ``sub`` for any sub-worker. Default: the loop variable ``chip`` or ``node``.
    """
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
    """The number of blocks of the kernel's launch; 0: one for each core."""
    tasks: list[TaskConfig] = key([])
    """The entries inside the loop; such an entry is not a task itself."""


@dataclass(repr=False, eq=False)
class ToleranceConfig:
    """The allowed error of an element: ``absolute + relative * |expected|``. The default depends on the dtype."""

    relative: float | None = key(None, minimum=0)
    """The part that is relative to the expected value."""
    absolute: float | None = key(None, minimum=0)
    """The absolute part, in the tensor's unit."""


@dataclass(repr=False, eq=False)
class VerifyConfig:
    """The expected contents of tensors after the last run."""

    golden: str = ""
    """``module:function`` that takes the tensors' initial contents and the sizes, and returns the expected contents by
    name."""
    expected: dict[str, str | TensorConfig] = key({})
    """For each tensor a file .npy or .npz, or its ``fill`` and ``array``."""
    tolerance: ToleranceConfig = field(default_factory=ToleranceConfig)


@dataclass(repr=False, eq=False)
class WorkloadConfig:
    """The keys of every workload; a program has its own settings in addition."""

    name: str = ""
    """The name in messages, results and the lock file."""
    program: str = ""
    """The program, ``module:Class``. Its settings are further keys, instead of those of a declared workload."""
    callables: dict[str, Any] = key({}, additionalProperties={"$ref": "#/$defs/callable"})
    """The callables, by the names that tasks use; composed through the defaults."""
    warm_up: int = key(0, minimum=0)
    """The number of runs before the measured ones."""
    repeat: int = key(1, minimum=1)
    """The number of measured runs."""
    capture: bool = False
    """Whether to record the tasks of one run, and to launch that graph for every run."""


@dataclass(repr=False, eq=False)
class DeclaredWorkloadConfig(WorkloadConfig):
    """A workload: a program with its settings, or tensors and tasks."""

    sizes: dict[str, Number] = key({})
    """Numbers by name; each may be computed from the ones before it."""
    tensors: dict[str, TensorConfig] = key({})
    """The tensors by name, made before the first run in memory that all workers share."""
    tasks: list[TaskConfig] = key([])
    """The tasks, in the order of their submission."""
    orchestration: str = ""
    """``module:function``, called with (o, tensors, handles, context) instead of submitting tasks."""
    verify: VerifyConfig = field(default_factory=VerifyConfig)
