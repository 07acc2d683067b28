"""Topology: what a Worker consists of, down to its last chip; validated once, and the same in every process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.options import WorkerOptions

CHIP_LEVEL = 2
"""A Worker of exactly one chip."""
NODE_LEVEL = 3
"""A Worker of chips and sub-workers; from the next level on, of nodes and sub-workers."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The children of one Worker, and theirs. Immutable, picklable.

    Raises:
        ConfigurationError: no such level, or children that a Worker of this level cannot have; the message names the
            argument.
    """

    level: int
    chip_ids: tuple[int, ...]
    sub_workers: int
    platform: str
    runtime: str
    options: WorkerOptions
    nodes: tuple[Topology, ...] = ()
    """What the node children consist of; their ids are the positions."""

    def __post_init__(self) -> None:
        count = self.sub_workers
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ConfigurationError(f"sub_workers={count!r}: an integer from 0")
        if self.level == CHIP_LEVEL and count:
            raise ConfigurationError(f"sub_workers={count}: a level 2 Worker is one chip and has none")
        if not self.runtime or "\n" in self.runtime:
            raise ConfigurationError(f"runtime={self.runtime!r}: a name on one line")

    def require_children(self) -> None:
        """Raises ConfigurationError if there are not the children that a Worker of this level cannot be without."""
        if self.level > NODE_LEVEL:
            if not self.nodes:
                raise ConfigurationError(
                    f"add_worker: no node was added; a level {self.level} Worker needs at least one"
                )
        elif not self.chip_ids and not self.sub_workers:
            raise ConfigurationError("chips=0 and sub_workers=0: a Worker needs at least one child")

    @property
    def has_chips(self) -> bool:
        """Whether there is a chip at any level."""
        return bool(self.chip_ids) or any(node.has_chips for node in self.nodes)

    @property
    def patience(self) -> float:
        """Seconds that it takes longer than a single process to answer a control request: it asks its own children,
        and when one does not answer, asks the others to undo what they did.
        """
        return 2 * (self.options.control_timeout + max((node.patience for node in self.nodes), default=0.0))

    def __str__(self) -> str:
        """``8 chips, 2 sub-workers``, or ``2 nodes, 1 sub-workers``."""
        children = f"{len(self.nodes)} nodes" if self.level > NODE_LEVEL else f"{len(self.chip_ids)} chips"
        return f"{children}, {self.sub_workers} sub-workers"


def chip_ids(level: int, chips: int | None, device_ids: Sequence[int] | None) -> tuple[int, ...]:
    """Ids of a Worker's chips, from its arguments. Raises ConfigurationError, naming the argument."""
    if not isinstance(level, int) or isinstance(level, bool) or level < CHIP_LEVEL:
        raise ConfigurationError(f"level={level!r}: 2 (one chip), 3 (chips and sub-workers), 4 or more (nodes)")
    if chips is not None and device_ids is not None:
        raise ConfigurationError("give chips or device_ids, not both")
    if device_ids is not None:
        argument, ids = f"device_ids={list(device_ids)}", tuple(device_ids)
        if len(set(ids)) != len(ids) or any(not isinstance(i, int) or i < 0 for i in ids):
            raise ConfigurationError(f"{argument}: distinct integers from 0")
    else:
        count = chips if chips is not None else (1 if level == CHIP_LEVEL else 0)
        argument = f"chips={count}"
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ConfigurationError(f"chips={chips!r}: an integer from 0")
        ids = tuple(range(count))
    if level == CHIP_LEVEL and len(ids) != 1:
        raise ConfigurationError(f"{argument}: a level 2 Worker is exactly one chip")
    if level > NODE_LEVEL and ids:
        raise ConfigurationError(f"{argument}: a level {level} Worker has its chips below its nodes; see add_worker")
    return ids
