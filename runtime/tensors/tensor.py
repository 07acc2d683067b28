"""Tensors: arrays in shared memory that the processes of a Worker use without a copy."""

from __future__ import annotations

import copyreg
import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from runtime import _core
from runtime.failure import native_errors, translate
from runtime.numbers import integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Tensor = _core.Tensor


def _refuse_tensor(_: Tensor) -> NoReturn:
    raise TypeError("cannot pickle a Tensor: give it to a task in TaskArgs, or pickle a copy, tensor.numpy().copy()")


copyreg.pickle(Tensor, _refuse_tensor)

LARGEST_EXTENT = (1 << 63) - 1


def dtype_name(dtype: npt.DTypeLike | str) -> str:
    """The name of a tensor's dtype. ``"bfloat16"`` is accepted as a name. Raises TypeError for an unknown one."""
    if isinstance(dtype, (str, np.dtype, type)):
        return _name_of(dtype)  # type: ignore[arg-type] # mypy does not know that a class is hashable
    return np.dtype(dtype).name


@functools.lru_cache(maxsize=64)
def _name_of(dtype: str | np.dtype[Any] | type[Any]) -> str:
    return "bfloat16" if isinstance(dtype, str) and dtype == "bfloat16" else np.dtype(dtype).name


def _shape(shape: int | Sequence[int]) -> list[int]:
    extents = shape if isinstance(shape, Iterable) and not isinstance(shape, (str, bytes)) else [shape]
    return [integer("shape", extent, 0, LARGEST_EXTENT) for extent in extents]


def empty(pool: _core.MemoryPool, shape: int | Sequence[int], dtype: npt.DTypeLike) -> Tensor:
    """See Worker.empty."""
    try:
        return pool.empty(_shape(shape), dtype_name(dtype))
    except native_errors() as error:
        raise translate(error, operation="empty") from None


def zeros(pool: _core.MemoryPool, shape: int | Sequence[int], dtype: npt.DTypeLike) -> Tensor:
    """See Worker.zeros."""
    try:
        return pool.zeros(_shape(shape), dtype_name(dtype))
    except native_errors() as error:
        raise translate(error, operation="zeros") from None


def share(pool: _core.MemoryPool, array: npt.NDArray[Any] | np.generic) -> Tensor:
    """See Worker.share."""
    source = np.asarray(array)
    tensor = empty(pool, source.shape, source.dtype)
    tensor.numpy()[...] = source
    return tensor
