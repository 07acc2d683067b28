"""The arguments of a task: tensors with tags, and scalars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime import _core, pickled_names
from runtime.errors.wording import kind_of
from runtime.tensors.scalar import Scalar
from runtime.tensors.tags import Tag
from runtime.tensors.tensor import Tensor, share

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_COPIED_BYTES = 65536
"""Largest plain NumPy array that may be passed as an INPUT; it is copied at submit."""


class TensorArgs:
    """The arguments of an orchestration function in a node: ``args[i]`` are Tensors, ``args.scalars`` integers.

    The tensors lie in the memory of the Worker above and can be passed on to tasks below; tensors with the tag INPUT
    are read-only here, too.
    """

    __slots__ = ("_tensors", "scalars")

    scalars: list[int]

    def __init__(self, tensors: list[Tensor], scalars: list[int]) -> None:
        self._tensors = tensors
        self.scalars = scalars

    def __getitem__(self, index: int) -> Tensor:
        """The tensor at ``index``. Raises IndexError."""
        return self._tensors[index]

    def __len__(self) -> int:
        """Number of tensors."""
        return len(self._tensors)


class TaskArgs(_core.TaskArgsBase):
    """The arguments of one task: tensors with tags, in signature order, and 64-bit scalars.

    Args:
        tensors: ``(tensor, tag)`` pairs.
        scalars: integers (64 bits, signed or unsigned) or floats (carried as the bits of a double).

    A plain NumPy array is taken as an INPUT only, copied at submit, up to MAX_COPIED_BYTES.

    Example:
        >>> TaskArgs((a, Tag.INPUT), (b, Tag.OUTPUT), scalars=[3, 0.5])
    """

    __slots__ = ()

    _tag_type = Tag

    # ---- inputs that the native half leaves to Python --------------------------------------------------------------

    def _add_tensor(self, tensor: Tensor | npt.NDArray[Any], tag: Tag) -> None:
        """Adds a plain array, or a tensor that follows one. Raises TypeError for all but a tensor with a tag."""
        if type(tag) is not Tag:
            raise TypeError(f"tag={tag!r}: one of {', '.join(f'Tag.{known.name}' for known in Tag)}")
        if isinstance(tensor, Tensor):
            self._append(tag, tensor)  # keeps the order after an array
            return
        if not isinstance(tensor, np.ndarray):
            raise TypeError(f"a task takes Tensors, not {kind_of(tensor)}; make one with worker.share(...)")
        if tag is not Tag.INPUT or tensor.nbytes > MAX_COPIED_BYTES:
            raise TypeError(
                f"a NumPy array of {tensor.nbytes} bytes as {tag.name}: only INPUT arrays up to "
                f"{MAX_COPIED_BYTES} bytes are copied; use worker.share(array)"
            )
        self._append(tag, tensor)

    def _append(self, tag: Tag, tensor: Tensor | npt.NDArray[Any]) -> None:
        if self._arrays is None:
            self._arrays = []
        self._arrays.append((int(tag), tensor))

    def _add_scalar(self, scalar: float | Scalar) -> None:
        """Adds a number other than an int or a float, or a parameter of a graph. Raises as add_scalar does."""
        if isinstance(scalar, Scalar):
            self._parameters = (*(self._parameters or ()), (self.scalar_count, scalar))
            scalar = scalar.recorded
        native = self._native
        try:
            native.add_scalar(scalar)
        except TypeError:
            raise TypeError(f"a scalar is an integer or a float, not {kind_of(scalar)}") from None
        self._native = native


def native_args(args: TaskArgs | None, pool: _core.MemoryPool) -> _core.TaskArgs | None:
    """The engine's form of ``args``; plain arrays are copied into shared memory here. Raises TypeError for others."""
    if args is None:
        return None
    if not isinstance(args, TaskArgs):
        raise TypeError(f"the arguments of a task are a TaskArgs, not {kind_of(args)}")
    if not args._arrays:
        return args._native
    native = args._native  # a copy: `args` may be submitted again, with other content in its arrays
    for tag, array in args._arrays:
        native.add_tensor(array if isinstance(array, Tensor) else share(pool, array), tag)
    return native


pickled_names.keep(__name__)
