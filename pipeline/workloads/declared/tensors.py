"""The tensors of a declared workload: shape, dtype, and initial contents."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.config.keys import checked
from pipeline.config.suggest import near
from pipeline.config.workload_schema import DTYPES, TensorConfig
from pipeline.workloads.declared.expressions import parse_expression
from pipeline.workloads.declared.mapping import named
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy.typing as npt

_FILES = (".npy", ".npz")
_FILLS = "zeros, random, a number, or a file .npy or .npz"
_LARGEST_RANK = 8


@dataclass(frozen=True, slots=True)
class DeclaredTensor:
    """One tensor."""

    name: str
    key: str
    shape: tuple[int, ...]
    dtype: str
    fill: str | float
    """``"zeros"``, ``"random"``, a number, or the file."""
    seed: int
    file: Path | None = None
    array: str = ""
    """The name of the array in an ``.npz`` file; empty: its only array."""

    def content(self) -> npt.NDArray[Any]:
        """A new array with the tensor's initial contents.

        The numbers of ``random`` follow from the seed and the tensor's name: standard normal for floats, else integers
        from 0 to 99 (bool: 0 and 1).
        """
        if self.file is not None:
            return _loaded(self.file, self.array, self.key)
        if self.fill != "random":
            return np.full(self.shape, 0 if self.fill == "zeros" else self.fill, self.dtype)
        random = np.random.default_rng([self.seed, *self.name.encode()])
        if self.dtype.startswith("float"):
            return random.standard_normal(self.shape).astype(self.dtype)
        return random.integers(0, 2 if self.dtype == "bool" else 100, self.shape).astype(self.dtype)

    def fill_into(self, array: npt.NDArray[Any]) -> None:
        """Fills an array of the same shape and dtype with the initial contents."""
        if self.file is None and self.fill != "random":
            array.fill(0 if self.fill == "zeros" else self.fill)
        else:
            array[...] = self.content()


def declare_tensors(
    config: object, key: str, sizes: Mapping[str, float], folders: Sequence[Path]
) -> dict[str, DeclaredTensor]:
    """The tensors by name.

    Args:
        config: for each name, a mapping of shape, dtype, fill, seed and array.
        key: key of the config, for messages.
        sizes: numbers for expressions of shapes.
        folders: folders of files, in search order.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    declared = named(config, key, "tensors")
    return {name: _tensor(name, value, f"{key}.{name}", sizes, folders) for name, value in declared.items()}


def _tensor(name: str, config: object, key: str, sizes: Mapping[str, float], folders: Sequence[Path]) -> DeclaredTensor:
    given = checked(TensorConfig, config, key)
    shape = _shape(given["shape"], f"{key}.shape", sizes) if given.get("shape") is not None else None
    dtype = given.get("dtype", "float32")
    seed = given.get("seed", 0)
    fill = given.get("fill", "zeros")
    if isinstance(fill, str) and fill.endswith(_FILES):
        return _from_file(name, given, key, shape, folders)
    if "array" in given:
        raise ConfigurationError(f"{key}.array={given['array']!r}: only with a file .npz as fill")
    if isinstance(fill, bool) or not (isinstance(fill, int | float) or fill in ("zeros", "random")):
        raise ConfigurationError(f"{key}.fill={fill!r}: {_FILLS}{near(str(fill), ('zeros', 'random'))}")
    if shape is None:
        raise ConfigurationError(f"{key}.shape: missing; a list of extents, for instance [1024, 1024]")
    tensor = DeclaredTensor(name, key, shape, dtype, fill, seed)
    if not isinstance(fill, str):
        try:
            np.full(1, fill, dtype)
        except (OverflowError, ValueError):
            raise ConfigurationError(f"{key}.fill={fill!r}: no value of {dtype}") from None
    return tensor


def _shape(extents: Sequence[Any], key: str, sizes: Mapping[str, float]) -> tuple[int, ...]:
    if len(extents) > _LARGEST_RANK:
        raise ConfigurationError(f"{key}: {len(extents)} axes; a tensor has at most {_LARGEST_RANK}")
    shape = []
    for i, extent in enumerate(extents):
        value = parse_expression(extent, f"{key}[{i}]", sizes).integer(sizes)
        if value < 1:
            raise ConfigurationError(f"{key}[{i}]={extent!r}: {value}; an extent is at least 1")
        shape.append(value)
    return tuple(shape)


def _from_file(
    name: str, given: Mapping[str, Any], key: str, shape: tuple[int, ...] | None, folders: Sequence[Path]
) -> DeclaredTensor:
    fill, array_name = str(given["fill"]), str(given.get("array", ""))
    file = find_file(fill, f"{key}.fill", folders)
    array = _loaded(file, array_name, key)
    if array.dtype.name not in DTYPES:
        raise ConfigurationError(f"{key}.fill={fill!r}: its dtype is {array.dtype}; one of {', '.join(DTYPES)}")
    if shape is not None and array.shape != shape:
        raise ConfigurationError(f"{key}.shape={list(shape)}: {fill} has {list(array.shape)}; leave shape out")
    if given.get("dtype", array.dtype.name) != array.dtype.name:
        raise ConfigurationError(f"{key}.dtype={given['dtype']!r}: {fill} has {array.dtype.name}; leave dtype out")
    return DeclaredTensor(name, key, array.shape, array.dtype.name, fill, 0, file, array_name)


def find_file(name: str, key: str, folders: Sequence[Path]) -> Path:
    """The path of a user's file, from the first folder that has it. Raises ConfigurationError."""
    for folder in (*folders, Path()):
        if (folder / name).is_file():
            return (folder / name).resolve()
    raise ConfigurationError(f"{key}={name!r}: no such file (looked in the folders of the configs and here)")


def _loaded(file: Path, array: str, key: str) -> npt.NDArray[Any]:
    """An array of a file. Pickled objects are refused, because unpickling could run any code."""
    try:
        loaded = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        said = "not a NumPy file, or one with pickled objects, which could run any code"
        raise ConfigurationError(f"{key}.fill={file.name!r}: {said}") from None
    if isinstance(loaded, np.ndarray):
        if array:
            raise ConfigurationError(f"{key}.array={array!r}: {file.name} is a single array; leave array out")
        return loaded
    with loaded:
        names = loaded.files
        if not array and len(names) != 1:
            raise ConfigurationError(f"{key}.array: missing; {os.fspath(file.name)} has {', '.join(names)}")
        if array and array not in names:
            hint = near(array, names) or f"; it has {', '.join(names)}"
            raise ConfigurationError(f"{key}.array={array!r}: not in {file.name}{hint}")
        try:
            content: npt.NDArray[Any] = loaded[array or names[0]]
        except (OSError, ValueError, EOFError):
            said = f"its array {array or names[0]} cannot be read"
            raise ConfigurationError(f"{key}.fill={file.name!r}: {said}") from None
        return content
