"""The tensors of a hosted node's task, as they travel: each as its own contiguous copy, in both directions.

A task on another machine shares no memory with this one. So two arguments may be the same view, or not meet at all, or
only be read where they meet; any other overlap is refused, because it would be written in two copies.
"""

from __future__ import annotations

import hashlib
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runtime import _core
from runtime.errors import ConfigurationError
from runtime.hosting.transfer import LARGE
from runtime.tensors.tags import WRITES, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from runtime.tensors.tensor import Tensor

_READS = (Tag.INPUT, Tag.INOUT, Tag.OUTPUT_EXISTING, Tag.NO_DEP)
_HARDEST = 1_000_000
"""Candidates that the exact test for an overlap of two strided views may try."""


class Piece(NamedTuple):
    """One argument: its form, and how its content travels."""

    dtype: str
    shape: tuple[int, ...]
    same_as: int
    """The argument that it is: its own place, or that of an earlier argument that is the same view."""
    is_sent: bool
    """Whether its content travels to the host. It does not for an argument that is only written, or was sent before."""
    is_written: bool
    """Whether its content travels back."""
    is_large: bool
    """Whether its content travels by itself, not within the message."""
    read_only: bool


class Call(NamedTuple):
    """One task on its way to a host."""

    hashid: str
    pieces: list[Piece]
    scalars: list[int]
    block_count: int
    small: list[bytes]
    """The contents that are sent and not large, in order."""

    @property
    def large_sent(self) -> list[int]:
        """The arguments whose contents travel to the host by themselves."""
        return [place for place, piece in enumerate(self.pieces) if piece.is_sent and piece.is_large]

    @property
    def large_written(self) -> list[int]:
        """The arguments whose contents travel back by themselves."""
        return [place for place, piece in enumerate(self.pieces) if piece.is_written and piece.is_large]


class Outcome(NamedTuple):
    """What a task on a host came to."""

    code: int
    payload: bytes
    """The pickled value, or the packed exception."""
    buffers: list[pickle.PickleBuffer]
    """Of the value's pickle."""
    small: list[bytes]
    """The contents that were written and are not large, in order."""


def pack(hashid: str, tensors: Sequence[Tensor], tags: Sequence[int], scalars: list[int], block_count: int) -> Call:
    """Packs a task.

    Raises:
        ConfigurationError: two arguments share bytes that one of them writes, and are not the same view.
    """
    arrays = [_core.tensor_words(tensor) for tensor in tensors]
    first = [_first_same(arrays, place) for place in range(len(arrays))]
    writes = {first[place] for place, tag in enumerate(tags) if tag in WRITES}
    reads = {first[place] for place, tag in enumerate(tags) if tag in _READS}
    _refuse_overlaps(arrays, sorted(set(first)), writes)
    pieces: list[Piece] = []
    small: list[bytes] = []
    for place, (tensor, tag) in enumerate(zip(tensors, tags, strict=True)):
        own = first[place] == place
        is_large = tensor.nbytes >= LARGE
        is_sent = own and place in reads
        is_written = own and place in writes
        pieces.append(Piece(tensor.dtype, tensor.shape, first[place], is_sent, is_written, is_large, tag not in WRITES))
        if is_sent and not is_large:
            small.append(arrays[place].tobytes())
    return Call(hashid, pieces, scalars, block_count, small)


def content_of(tensor: Tensor) -> pickle.PickleBuffer:
    """The elements of a tensor, as they travel; a contiguous tensor is not copied."""
    return pickle.PickleBuffer(np.ascontiguousarray(_core.tensor_words(tensor)).data)


def copy_of(tensor: Tensor) -> bytes:
    """The elements of a tensor as they travel, in memory that no other process can write."""
    return _core.tensor_words(tensor).tobytes()


class Key(NamedTuple):
    """Names a content that a task of a run wrote. What an earlier run left is not taken for it."""

    run: int
    view: tuple[Any, ...]
    """Arena, first byte and end, shape, strides and dtype; the same from every gateway."""


def digest_of(content: bytes) -> bytes:
    """Names elements as they travel: equal digests, equal elements."""
    return hashlib.sha256(content).digest()


class Home(NamedTuple):
    """Elements at home that a task has read: a view, as in a key, and the digest of its elements at that time."""

    view: tuple[Any, ...]
    digest: bytes


class Kept(NamedTuple):
    """A content that stays on a host."""

    key: Key
    nbytes: int


def key_of(run: int, arena: int, tensor: Tensor) -> Key:
    """The key of a tensor that is not empty, in this arena of the Worker above."""
    _, begin, end = _core.bytes_of(tensor)
    return Key(run, (arena, begin, end, tensor.shape, tensor.strides, tensor.dtype))


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


def unpack(pool: _core.MemoryPool, call: Call, large: Iterator[Any]) -> list[Tensor]:
    """On the host: the tensors of a task, in ``pool``. Raises MemoryError.

    Args:
        large: buffers, of which this task takes its own.
    """
    tensors: list[Tensor] = []
    small = iter(call.small)
    for place, piece in enumerate(call.pieces):
        if piece.same_as != place:
            tensors.append(tensors[piece.same_as])
            continue
        tensor = pool.empty(list(piece.shape), piece.dtype)
        if piece.is_sent:
            fill(tensor, next(large if piece.is_large else small))
        tensors.append(tensor)
    return tensors


def passed_on(call: Call, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors as the orchestration function gets them: those that it may not write are read-only."""
    return [_core.read_only(t) if piece.read_only else t for piece, t in zip(call.pieces, tensors, strict=True)]


def written(call: Call, tensors: Sequence[Tensor]) -> tuple[list[bytes], list[npt.NDArray[Any]]]:
    """On the host: the contents that travel back, those that are small and those that are large."""
    small, large = [], []
    for piece, tensor in zip(call.pieces, tensors, strict=True):
        if piece.is_written:
            words = _core.tensor_words(tensor)
            large.append(words) if piece.is_large else small.append(words.tobytes())
    return small, large


def store(call: Call, tensors: Sequence[Tensor], outcome: Outcome, large: Iterator[Any]) -> None:
    """On this machine: writes what came back into the tensors of the task.

    Args:
        large: None for a content that stays on its host.
    """
    small = iter(outcome.small)
    for piece, tensor in zip(call.pieces, tensors, strict=True):
        if piece.is_written:
            content = next(large if piece.is_large else small)
            if content is not None:
                fill(tensor, content)


def fill(tensor: Tensor, content: Any) -> None:
    """Writes the elements of a tensor, as they travelled."""
    words = _core.tensor_words(tensor)
    words[...] = np.frombuffer(content, words.dtype).reshape(words.shape)
