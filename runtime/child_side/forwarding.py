"""How a gateway forwards tasks to its host: several in one message, with the contents that are not on hosts already."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import _core
from runtime.child_side import far_arguments
from runtime.child_side.far_arguments import Home, Kept
from runtime.child_side.hosted_tasks import Message
from runtime.child_side.recipes import Declared
from runtime.errors import ConfigurationError, WorkerLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.child_side.far_arguments import Call, Key, Outcome
    from runtime.tensors.tensor import Tensor

_CODES: dict[str, int] = _core.CODES


class RaisedThere(Exception):  # noqa: N818 - not an error of this process
    """An orchestration function raised on its host; ``args[0]`` is the packed exception."""


class Task(NamedTuple):
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

    def __init__(self, task: Task) -> None:
        self._task = task
        self._tensors = task.tensors
        self._outcome: Outcome | None = None
        self._large: list[Any] = []
        self._sources: list[Home | Key] = []
        self.error: BaseException | None = None
        self.call: Call | None = None
        try:
            self.call = far_arguments.pack(*task[:5])
        except ConfigurationError as error:
            self.error = error

    def read(self) -> list[Key | None]:
        """The names of the large contents that it reads; None where the content may not stay on a host."""
        return [self._task.key_of(place) if self._task.keeps else None for place in self._large_sent]

    def kept(self) -> list[Kept | None]:
        """What stays on the host of the large contents that it writes; None where the content may not."""
        places = self.call.large_written if self.call else []
        return [
            Kept(self._task.key_of(place), self._tensors[place].nbytes) if self._task.keeps else None
            for place in places
        ]

    def contents(self, away: Iterator[str | bool]) -> list[Any]:
        """The large contents that it reads: each a key if it stays on a host, else the elements.

        Args:
            away: for each, whether it stays on a host; which host has lost it and why it is gone, if it is.
        """
        contents: list[Any] = []
        self._sources = []
        for place, key, where in zip(self._large_sent, self.read(), away, strict=False):
            tensor = self._tensors[place]
            if isinstance(where, str):
                self.error = lost_content(tensor, where)
            if where and key is not None:
                contents.append(key)
                self._sources.append(key)
            elif self._may_repeat:
                content = far_arguments.copy_of(tensor)  # its digest must be that of what is sent
                contents.append(pickle.PickleBuffer(content))
                self._sources.append(Home(self._task.key_of(place).view, far_arguments.digest_of(content)))
            else:
                contents.append(far_arguments.content_of(tensor))
        return contents

    def declared(self, first: int) -> list[Declared]:
        """How its outputs are made again, if they can be.

        Args:
            first: the place of its first large output among those of the message.
        """
        if not self._may_repeat or self.call is None:
            return []
        outputs = list(range(first, first + len(self.call.large_written)))
        packed = pickle.dumps(([self.call],))
        return [Declared(packed, self.call.hashid, self._task.retries, self._sources, outputs)]

    def ended(self, outcome: Outcome, large: list[Any]) -> None:
        """Keeps what came back."""
        self._outcome, self._large = outcome, large

    def end(self) -> Any:
        """The value of the task, once it has ended; its outputs are then in its tensors, unless they stay away."""
        if self.error is not None:
            raise self.error
        if self._outcome is None or self.call is None:
            raise RuntimeError("the task has not ended")
        if self._outcome.code != _CODES["ok"]:
            raise RaisedThere(bytes(self._outcome.payload))
        far_arguments.store(self.call, self._tensors, self._outcome, iter(self._large))
        return pickle.loads(self._outcome.payload, buffers=self._outcome.buffers)

    @property
    def _large_sent(self) -> list[int]:
        return self.call.large_sent if self.call else []

    @property
    def _may_repeat(self) -> bool:
        """Whether its outputs can be made again: nothing ends a repeated task in time, so it has no deadline."""
        task = self._task
        return bool(task.keeps and task.retries and not task.is_timed and self.call and self.call.large_written)


def run(tasks: list[Begun], ask: Callable[..., Any]) -> None:
    """Sends tasks to the host in one message, and receives what they came to. Raises WireClosed.

    Args:
        ask: sends a request to the hosting server and returns the answer.
    """
    answer = None
    while answer is None:  # None: a content was lost after the server had said where it is
        keys = [key for task in tasks for key in task.read()]
        away = iter(ask("away", keys) if any(keys) else [False] * len(keys))
        contents = [task.contents(away) for task in tasks]
        able = [(task, given) for task, given in zip(tasks, contents, strict=True) if task.error is None]
        calls = [task.call for task, _ in able if task.call]
        if not calls:
            return
        kept: list[Kept | None] = []
        declared: list[Declared] = []
        for task, _ in able:
            declared += task.declared(len(kept))
            kept += task.kept()
        sent = [one for _, given in able for one in given]
        answer = ask("run", Message(pickle.dumps((calls,)), sent, kept, declared))
    packed, *written = answer
    left = iter(written)
    for (task, _), call, outcome in zip(able, calls, pickle.loads(packed), strict=True):
        task.ended(outcome, [next(left) for _ in call.large_written])


def lost_content(tensor: Tensor, where: str) -> WorkerLost:
    """The error of a task that needs a content which is lost for good.

    Args:
        where: which host had it, and why it is gone.
    """
    shape = " x ".join(map(str, tensor.shape))
    return WorkerLost(f"the content of a tensor ({tensor.dtype}, {shape}) was on {where}", operation="run")
