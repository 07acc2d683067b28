"""The tensors of a hosted node's task, as they travel: each as its own contiguous copy, in both directions.

A task on another machine shares no memory with this one. So two arguments may be the same view, or not meet at all, or
only be read where they meet; any other overlap is refused, because it would be written in two copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runtime import _core
from runtime.errors import ConfigurationError
from runtime.tensors.tags import Tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from runtime.tensors.tensor import Tensor

_WRITES = (Tag.OUTPUT, Tag.INOUT, Tag.OUTPUT_EXISTING)
_READS = (Tag.INPUT, Tag.INOUT, Tag.OUTPUT_EXISTING, Tag.NO_DEP)
_HARDEST = 1_000_000
"""Candidates that the exact test for an overlap of two strided views may try."""


class Piece(NamedTuple):
    """One argument: its form, and where its content is."""

    dtype: str
    shape: tuple[int, ...]
    writes: bool
    """Whether its content travels back."""
    same_as: int
    """The argument that it is: its own place, or that of an earlier argument that is the same view."""
    is_sent: bool
    """Whether its content travels to the host. It does not for an argument that is only written, or was sent before."""
    read_only: bool


class Packed(NamedTuple):
    """The arguments of one task on their way to a host."""

    pieces: list[Piece]
    contents: list[npt.NDArray[Any]]
    """The contiguous contents of the pieces that are sent, in order. Contiguous tensors are not copied."""


def pack(tensors: Sequence[Tensor], tags: Sequence[int]) -> Packed:
    """Packs the arguments of a task.

    Raises:
        ConfigurationError: two arguments share bytes that one of them writes, and are not the same view.
    """
    arrays = [_core.tensor_words(tensor) for tensor in tensors]
    first = [_first_same(arrays, place) for place in range(len(arrays))]
    writes = {first[place] for place, tag in enumerate(tags) if tag in _WRITES}
    reads = {first[place] for place, tag in enumerate(tags) if tag in _READS}
    _refuse_overlaps(arrays, sorted(set(first)), writes)
    pieces, contents = [], []
    for place, (tensor, tag) in enumerate(zip(tensors, tags, strict=True)):
        own = first[place] == place
        sent = own and place in reads
        pieces.append(
            Piece(tensor.dtype, tensor.shape, own and place in writes, first[place], sent, tag not in _WRITES)
        )
        if sent:
            contents.append(np.ascontiguousarray(arrays[place]))
    return Packed(pieces, contents)


def _first_same(arrays: list[npt.NDArray[Any]], place: int) -> int:
    def view(array: npt.NDArray[Any]) -> tuple[Any, ...]:
        return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype

    return next(i for i in range(place + 1) if view(arrays[i]) == view(arrays[place]))


def _refuse_overlaps(arrays: list[npt.NDArray[Any]], distinct: list[int], writes: set[int]) -> None:
    for i, one in enumerate(distinct):
        for other in distinct[:i]:
            if (one in writes or other in writes) and _meet(arrays[other], arrays[one]):
                raise ConfigurationError(
                    f"arguments {other} and {one} share bytes that the task writes; on another machine they would be "
                    "two copies: pass the same view twice, or tensors that do not overlap"
                )


def _meet(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    if not np.may_share_memory(one, other):
        return False
    try:
        return np.shares_memory(one, other, max_work=_HARDEST)  # type: ignore[arg-type] # any number is allowed
    except np.exceptions.TooHardError:
        return True  # undecided: refused rather than wrong


def unpack(pool: _core.MemoryPool, pieces: Sequence[Piece], contents: Sequence[Any]) -> list[Tensor]:
    """On the host: the tensors of a task, in ``pool``. Raises MemoryError.

    Args:
        contents: buffers, as in Packed.
    """
    tensors: list[Tensor] = []
    left = iter(contents)
    for place, piece in enumerate(pieces):
        if piece.same_as != place:
            tensor = tensors[piece.same_as]
        else:
            tensor = pool.empty(list(piece.shape), piece.dtype)
            if piece.is_sent:
                words = _core.tensor_words(tensor)
                words[...] = np.frombuffer(next(left), words.dtype).reshape(words.shape)
        tensors.append(tensor)
    return tensors


def passed_on(pieces: Sequence[Piece], tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors as the orchestration function gets them: those that it may not write are read-only."""
    return [_core.read_only(t) if piece.read_only else t for piece, t in zip(pieces, tensors, strict=True)]


def written(pieces: Sequence[Piece], tensors: Sequence[Tensor]) -> list[npt.NDArray[Any]]:
    """On the host: the contents of the pieces that travel back."""
    return [_core.tensor_words(t) for piece, t in zip(pieces, tensors, strict=True) if piece.writes]


def store(tensors: Sequence[Tensor], pieces: Sequence[Piece], contents: Sequence[Any]) -> None:
    """On this machine: writes what came back into the tensors of the task."""
    left = iter(contents)
    for piece, tensor in zip(pieces, tensors, strict=True):
        if piece.writes:
            words = _core.tensor_words(tensor)
            words[...] = np.frombuffer(next(left), words.dtype).reshape(words.shape)
