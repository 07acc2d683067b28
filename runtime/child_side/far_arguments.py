"""The tensors of a hosted node's task, as they travel: each as its own contiguous copy, in both directions.

A task on another machine shares no memory with this one. So two arguments may be the same view, or not meet at all, or
only be read where they meet; any other overlap is refused, because it would be written in two copies.
"""

from __future__ import annotations

import hashlib
import pickle
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runtime import _core
from runtime.errors import ConfigurationError
from runtime.hosting.transfer import LARGE
from runtime.tensors.tags import WRITES, Tag
from runtime.tensors.tensor import empty

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from runtime.child_side.kept_inputs import KeptInputs, Name
    from runtime.tensors.tensor import Tensor

_READS = (Tag.INPUT, Tag.INOUT, Tag.OUTPUT_EXISTING, Tag.NO_DEP)
_KEPT_BYTES = struct.Struct("<Q")
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
    name: bytes = b""
    """The name under which the host keeps its content for later tasks of the run; empty: it does not."""


class Call(NamedTuple):
    """One task on its way to a host."""

    run: int
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

    @property
    def kept(self) -> list[Name]:
        """The inputs that the host is to keep, or keeps already."""
        return [(self.run, piece.name) for piece in self.pieces if piece.name]


class Outcome(NamedTuple):
    """What a task on a host came to."""

    code: int
    payload: bytes
    """The pickled value, or the packed exception."""
    buffers: list[pickle.PickleBuffer]
    """Of the value's pickle."""
    small: list[bytes]
    """The contents that were written and are not large, in order."""


def pack(
    hashid: str, tensors: Sequence[Tensor], tags: Sequence[int], scalars: list[int], block_count: int, *, run: int
) -> Call:
    """Packs a task of a run; it sends everything that it reads.

    Raises:
        ConfigurationError: two arguments share bytes that one of them writes, and are not the same view.
    """
    if not tensors:
        return Call(run, hashid, [], scalars, block_count, [])
    arrays = [_core.tensor_words(tensor) for tensor in tensors]
    first = _first_same(arrays)
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
    return Call(run, hashid, pieces, scalars, block_count, small)


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


def name_of(piece: Piece, digest: bytes) -> bytes:
    """Names an input: its elements, and how they are understood."""
    return digest + repr((piece.dtype, piece.shape)).encode()


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


def _first_same(arrays: list[npt.NDArray[Any]]) -> list[int]:
    """For each view, the place of the first one that is the same."""
    if len(arrays) == 1:
        return [0]
    places: dict[tuple[Any, ...], int] = {}
    views = [(a.__array_interface__["data"][0], a.shape, a.strides, a.dtype) for a in arrays]
    return [places.setdefault(view, place) for place, view in enumerate(views)]


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


class Arrived(NamedTuple):
    """The large contents of a message, on the host."""

    inputs: dict[Name, Any]
    """Those that it is to keep."""
    others: dict[tuple[int, int], Any]
    """The others, by the task and the argument."""


def arrived(calls: Sequence[Call], large: Sequence[Any]) -> Arrived:
    """Tells which task each content of a message is for."""
    found = Arrived({}, {})
    left = iter(large)
    for number, call in enumerate(calls if large else ()):
        for place in call.large_sent:
            name = call.pieces[place].name
            if name:
                found.inputs[call.run, name] = next(left)
            else:
                found.others[number, place] = next(left)
    return found


def unpack(
    pool: _core.MemoryPool, calls: Sequence[Call], number: int, given: Arrived, inputs: KeptInputs
) -> list[Tensor]:
    """On the host: the tensors of one of the tasks of a message, in ``pool``. Raises MemoryError.

    Args:
        inputs: the contents that this host keeps.
    """
    tensors: list[Tensor] = []
    call = calls[number]
    small = iter(call.small)
    for place, piece in enumerate(call.pieces):
        if piece.same_as != place:
            tensors.append(tensors[piece.same_as])
            continue
        name = (call.run, piece.name)
        tensor = inputs.find(name) if piece.name else None
        if tensor is None:
            tensor = empty(pool, piece.shape, piece.dtype)
            if piece.name:
                fill(tensor, given.inputs[name])
                inputs.keep(name, tensor)
            elif piece.is_sent:
                fill(tensor, given.others[number, place] if piece.is_large else next(small))
        tensors.append(tensor)
    return tensors


def passed_on(call: Call, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors as the orchestration function gets them: those that it may not write are read-only."""
    return [_core.read_only(t) if piece.read_only else t for piece, t in zip(call.pieces, tensors, strict=True)]


def packed(outcomes: list[Outcome], dropped: list[Name], kept_bytes: int) -> bytes:
    """On the host: what tasks came to, the inputs that it does not keep any more, and the bytes of those it does."""
    return _KEPT_BYTES.pack(kept_bytes) + pickle.dumps((outcomes, dropped), protocol=5)


def unpacked(content: Any) -> tuple[list[Outcome], list[Name]]:
    """The outcomes and the dropped inputs of packed()."""
    outcomes, dropped = pickle.loads(memoryview(content)[_KEPT_BYTES.size :])
    return outcomes, dropped


def kept_bytes(content: Any) -> int:
    """The bytes of the host's inputs, from packed(): without the outcomes, which only a gateway reads."""
    (count,) = _KEPT_BYTES.unpack_from(content)
    return int(count)


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
