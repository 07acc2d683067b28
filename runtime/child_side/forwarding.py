"""How a gateway forwards tasks to its host: several in one message, with the contents that are not on hosts already."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import _core, errors
from runtime.child_side import far_arguments
from runtime.child_side.far_arguments import Home, Kept
from runtime.child_side.hosted_tasks import Message
from runtime.child_side.recipes import Declared
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runtime.child_side.far_arguments import Call, Key, Outcome
    from runtime.child_side.kept_inputs import Name
    from runtime.tensors.tensor import Tensor

_CODES: dict[str, int] = _core.CODES
_MOST_RUNS = 64
"""Runs whose inputs a gateway remembers."""
_NOTHING: tuple[list[Any], list[Kept | None], list[Declared]] = ([], [], [])
"""What travels beside tasks without large contents."""


class RaisedThere(Exception):  # noqa: N818 - not an error of this process
    """An orchestration function raised on its host; ``args[0]`` is the packed exception."""


class NodeTask(NamedTuple):
    """A task as NodeHost gives it."""

    hashid: str
    tensors: list[Tensor]
    tags: list[int]
    scalars: list[int]
    block_count: int
    arenas: list[int]
    """The number of each tensor's arena in the Worker above: that of the tensor here is another one."""
    keeps: bool
    """Whether what it writes may stay on the host."""
    run: int
    retries: int
    """How often it may still begin again."""
    is_timed: bool
    """Whether it has a deadline."""

    def key_of(self, place: int) -> Key:
        """The name of the content of an argument that is not empty."""
        return far_arguments.key_of(self.run, self.arenas[place], self.tensors[place])


class Begun:
    """A task on its way to the host."""

    def __init__(self, task: NodeTask) -> None:
        self._task = task
        self._tensors = task.tensors
        self._outcome: Outcome | None = None
        self._large: list[Any] = []
        self._sources: list[Home | Key] = []
        self.error: BaseException | None = None
        self._whole: Call | None = None  # with all that the task reads
        self._large_sent: list[int] = []  # as those of _whole
        self._large_written: list[int] = []
        try:
            self._whole = far_arguments.pack(*task[:5], run=task.run)
        except ConfigurationError as error:
            self.error = error
        if self._whole and self._tensors:
            self._large_sent, self._large_written = self._whole.large_sent, self._whole.large_written
        self.call = self._whole  # without what its host keeps, see contents()

    @property
    def has_large(self) -> bool:
        """Whether contents travel by themselves, or stay away."""
        return bool(self._large_sent or self._large_written)

    def read(self) -> list[Key | None]:
        """The names of the large contents that it reads; None where the content may not stay on a host."""
        return [self._task.key_of(place) if self._task.keeps else None for place in self._large_sent]

    def kept(self) -> list[Kept | None]:
        """What stays on the host of the large contents that it writes; None where the content may not."""
        return [
            Kept(self._task.key_of(place), self._tensors[place].nbytes) if self._task.keeps else None
            for place in self._large_written
        ]

    def contents(self, away: Iterator[str | int], held: Held) -> list[Any]:
        """The large contents that travel: each a key if it stays on a host, else the elements.

        Args:
            away: for each that it reads, the number of its bytes if it stays on a host, and 0 if it is at home; which
                host has lost it and why it is gone, if it is.
            held: the inputs that the task's host keeps.
        """
        contents: list[Any] = []
        self._sources, self.call = [], None
        pieces = list(self._whole.pieces) if self._whole else []
        names: set[bytes] = set()
        for place, key, where in zip(self._large_sent, self.read(), away, strict=False):
            piece, name = pieces[place], b""
            content: Any = key
            if isinstance(where, str):
                self.error = lost_content(self._tensors[place], where)
                continue
            if where and key is not None:
                name = b"content %d" % where
                self._sources.append(key)
            elif self._may_repeat or not piece.is_written:
                elements = far_arguments.copy_of(self._tensors[place])  # its digest must be that of what is sent
                digest = far_arguments.digest_of(elements)
                name = far_arguments.name_of(piece, digest)
                content = pickle.PickleBuffer(elements)
                self._sources.append(Home(self._task.key_of(place).view, digest))
            else:
                content = far_arguments.content_of(self._tensors[place])
            name = b"" if piece.is_written else name
            is_sent = not name or not (name in names or held.has(self._task.run, name))
            pieces[place] = piece._replace(is_sent=is_sent, name=name)
            contents += [content] if is_sent else []
            names.add(name)
        if self.error is not None or self._whole is None:
            return []
        held.add(self._task.run, names)
        self.call = self._whole._replace(pieces=pieces)
        return contents

    def declared(self, first: int) -> list[Declared]:
        """How its outputs are made again, if they can be.

        Args:
            first: the place of its first large output among those of the message.
        """
        if not self._may_repeat or self._whole is None:
            return []
        outputs = list(range(first, first + len(self._large_written)))
        packed = pickle.dumps(([self._whole],))
        return [Declared(packed, self._whole.hashid, self._task.retries, self._sources, outputs)]

    def ended(self, outcome: Outcome, large: Iterator[Any]) -> None:
        """Keeps what came back: the outcome, and from ``large`` the contents of this task."""
        self._outcome = outcome
        if self._large_written:
            self._large = [next(large) for _ in self._large_written]

    def end(self) -> Any:
        """The value of the task, once it has ended; its outputs are then in its tensors, unless they stay away."""
        if self.error is not None:
            raise self.error
        if self._outcome is None or self.call is None:
            raise RuntimeError("the task has not ended")
        if self._outcome.code != _CODES["ok"]:
            raise RaisedThere(bytes(self._outcome.payload))
        if self._tensors:
            far_arguments.store(self.call, self._tensors, self._outcome, iter(self._large))
        return pickle.loads(self._outcome.payload, buffers=self._outcome.buffers)

    @property
    def _may_repeat(self) -> bool:
        """Whether its outputs can be made again: nothing ends a repeated task in time, so it has no deadline."""
        task = self._task
        return bool(task.keeps and task.retries and not task.is_timed and self._large_written)


class Held:
    """The names of the inputs that a gateway's host keeps. Those of ended runs are there, too, until there are many."""

    def __init__(self) -> None:
        self._by_run: dict[int, set[bytes]] = {}
        self._new: set[Name] = set()

    def has(self, run: int, name: bytes) -> bool:
        """Whether the host keeps this input, or will before the next task of the same message."""
        return name in self._by_run.get(run, ()) or (run, name) in self._new

    def add(self, run: int, names: set[bytes]) -> None:
        """Notes what the message that is being written sends."""
        self._new |= {(run, name) for name in names if name}

    def settle(self, *, sent: bool, dropped: Sequence[Name] = ()) -> None:
        """Called when the message was answered, or was not sent."""
        for run, name in self._new if sent else ():
            self._by_run.setdefault(run, set()).add(name)
        self._new.clear()
        for run, name in dropped:
            self._by_run.get(run, set()).discard(name)
        while len(self._by_run) > _MOST_RUNS:  # one that goes on sends its inputs once more
            del self._by_run[next(iter(self._by_run))]


def run(tasks: list[Begun], ask: Callable[..., Any], held: Held) -> None:
    """Sends tasks to the host in one message, and receives what they came to. Raises WireClosed.

    Args:
        ask: sends a request to the hosting server and returns the answer.
        held: the inputs that the host keeps.
    """
    large = [task for task in tasks if task.has_large]
    answer = None
    while answer is None:  # None: a content was lost after the server had said where it is
        contents, kept, declared = _travelling(large, ask, held) if large else _NOTHING
        able = [task for task in tasks if task.error is None]
        calls = [task.call for task in able if task.call]
        if not calls:
            return
        answer = ask("run", Message(pickle.dumps((calls,)), contents, kept, declared))
    packed, *written = answer
    outcomes, dropped = far_arguments.unpacked(packed)
    if large or dropped:
        held.settle(sent=True, dropped=dropped)
    left = iter(written)
    for task, outcome in zip(able, outcomes, strict=True):
        task.ended(outcome, left)


def _travelling(
    tasks: list[Begun], ask: Callable[..., Any], held: Held
) -> tuple[list[Any], list[Kept | None], list[Declared]]:
    """The large contents of a message, those that stay on its host, and the recipes of those that can be made again."""
    keys = [key for task in tasks for key in task.read()]
    away = iter(ask("away", keys) if any(keys) else [0] * len(keys))
    held.settle(sent=False)
    contents: list[Any] = []
    kept: list[Kept | None] = []
    declared: list[Declared] = []
    for task in tasks:
        contents += task.contents(away, held)
        if task.error is None:
            declared += task.declared(len(kept))
            kept += task.kept()
    return contents, kept, declared


def lost_content(tensor: Tensor, where: str) -> errors.WorkerLost:
    """The error of a task that needs a content which is lost for good.

    Args:
        where: which host had it, and why it is gone.
    """
    shape = " x ".join(map(str, tensor.shape))
    return errors.WorkerLost(f"the content of a tensor ({tensor.dtype}, {shape}) was on {where}", operation="run")
