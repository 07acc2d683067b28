"""Contents that stay on hosts, and recipes: how lost outputs of a task with ``retries`` are made again.

A recipe has the call, and where the call's large inputs were: on a host, as a content with a recipe of its own, or at
home, where bytes can be read again as long as they have the same digest. So the recipes of a content are a graph, and
a lost content is made again by executing those of them whose outputs are lost, the deepest first. Python's
counting of references ends the life of a recipe: with the last content that it could make, or that needs it.
"""

from __future__ import annotations

import itertools
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from runtime.child_side.far_arguments import Home, Key
    from runtime.child_side.hosted import Hosted

DEEPEST = 1000
"""Tasks in the longest chain that is executed again: each keeps its small arguments in the server's memory."""


class Declared(NamedTuple):
    """A recipe as a gateway describes it."""

    call: bytes
    """The pickled arguments of FarHost.run, for this call alone."""
    hashid: str
    retries: int
    sources: list[Home | Key]
    """The large contents that it reads, in order."""
    outputs: list[int]
    """The places of its large outputs among those that stay on the host after the same message."""


numbers = itertools.count(1)
"""Of the bytes of contents."""


@dataclass(eq=False)
class Content:
    """One content, which no task changes: a task that writes the same view again makes another one."""

    key: Key
    nbytes: int
    ref: Any
    """None: its bytes were given up, because they came home or were written again."""
    hosted: Hosted
    """The host that made it; after its loss perhaps another one, which made it again."""
    recipe: Recipe | None = None
    """How it is made again; None: it cannot be."""
    pins: int = 0
    """How many threads need its bytes, though they may not be the newest of their view."""
    number: int = field(default_factory=numbers.__next__)
    """Names its bytes: a task that is executed again need not write the same ones."""

    @property
    def is_here(self) -> bool:
        """Whether a living host has its bytes."""
        return self.ref is not None and not self.hosted.lost


@dataclass(eq=False)
class Recipe:
    """How one task is executed again, on the next host of its node."""

    call: bytes
    hashid: str
    node: int
    patience: float
    """Seconds that a next host may take to start."""
    retries: int
    """How often it may still be executed; every attempt counts."""
    sources: list[Home | Content]
    outputs: list[weakref.ref[Content]]
    depth: int
    busy: bool = False
    """Whether it is being executed."""

    @property
    def homes(self) -> list[Home]:
        """The sources at home."""
        return [source for source in self.sources if not isinstance(source, Content)]


def learn(declared: Declared, sources: list[Home | Content], outputs: list[Content], hosted: Hosted) -> None:
    """Gives the contents that a task has written the recipe for them, unless its chain is too long."""
    depths = [_depth(source) for source in sources if isinstance(source, Content)]
    depth = 1 + max(depths, default=0)
    if depth > DEEPEST:
        return
    of_outputs = [weakref.ref(content) for content in outputs]
    recipe = Recipe(
        declared.call, declared.hashid, hosted.node, hosted.patience, declared.retries, sources, of_outputs, depth
    )
    for content in outputs:
        content.recipe = recipe


def steps_to(wanted: Content) -> list[Recipe] | str:
    """The recipes that are to be executed until a living host has a content, each after those that it needs; or why
    this is impossible."""
    steps: list[Recipe] = []
    seen: set[Recipe] = set()
    left = [(wanted, False)]
    while left:
        content, has_sources = left.pop()
        recipe = content.recipe
        if recipe is not None and has_sources:
            steps.append(recipe)
        elif not content.is_here and recipe not in seen:
            if recipe is None:
                return _why_not(content is wanted)
            if not recipe.retries and not recipe.busy:
                return f"{_whose(recipe, content is wanted)} has no retries left"
            seen.add(recipe)
            left.append((content, True))
            left += [(source, False) for source in recipe.sources if isinstance(source, Content)]
    return steps


def _depth(content: Content) -> int:
    return content.recipe.depth if content.recipe is not None else DEEPEST if content.ref is None else 0


def _why_not(is_wanted: bool) -> str:
    what = "the task that wrote it" if is_wanted else "a task that wrote an input of its producers"
    return f"{what} has no retries, or a deadline, or is at the end of a chain of more than {DEEPEST} tasks"


def _whose(recipe: Recipe, is_wanted: bool) -> str:
    return f"{'the task that wrote it' if is_wanted else 'a task before it'} (callable {recipe.hashid})"
