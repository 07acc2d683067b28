"""A topology of a config, checked and unfolded into a tree of levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.common.counts import count_of
from pipeline.config.keys import checked
from pipeline.config.schema import LevelConfig, TopologyConfig
from runtime.errors import ConfigurationError
from runtime.processes.topology import NODE_LEVEL


class Level(NamedTuple):
    """One Worker of the tree and the Workers below it."""

    name: str
    """The place of a level below the root, for instance ``"node 1"``."""
    level: int
    chips: int
    sub_workers: int
    children: tuple[Level, ...] = ()

    def walk(self) -> Iterator[Level]:
        """This level and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def total_chips(self) -> int:
        """Number of chips in the whole tree."""
        return sum(level.chips for level in self.walk())

    @property
    def words(self) -> str:
        """The processes of the tree, for instance ``"8 chips, 1 sub-worker"``."""
        counts = {"node": len(self.children), "chip": self.total_chips, "sub-worker": self.total_sub_workers}
        return ", ".join(count_of(count, kind) for kind, count in counts.items() if count)

    @property
    def total_sub_workers(self) -> int:
        """Number of Python sub-workers in the whole tree."""
        return sum(level.sub_workers for level in self.walk())


def parse_topology(config: Mapping[str, Any], key: str = "topology") -> Level:
    """Checks the tree that a config declares.

    Args:
        config: ``name``, ``level``, ``chips``, ``sub_workers`` and ``children``; a child has the same keys, and
            ``count``, the number of such children (default 1).
        key: key of the config, for messages.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    checked(TopologyConfig, config, key)
    return _level(config, key, config.get("level", NODE_LEVEL), str(config.get("name") or ""))


def topology_name(config: Mapping[str, Any], overrides: Sequence[str]) -> str:
    """The name of a topology in results: its own name, or its processes if the command line changed it.

    Args:
        config: as in ``parse_topology``; a config that it refuses is named by its overrides.
        overrides: overrides of the command line.
    """
    name = str(config.get("name") or "")
    keys = [override.lstrip("+~").partition("=")[0] for override in overrides]
    changed = [override for override, key in zip(overrides, keys, strict=True) if key.startswith("topology.")]
    if name and ("topology.name" in keys or not changed):
        return name
    try:
        return parse_topology(config).words
    except ConfigurationError:
        return ", ".join(changed) or name


def _level(config: Mapping[str, Any], key: str, level: int, name: str) -> Level:
    chips, subs, children = config.get("chips", 0), config.get("sub_workers", 0), config.get("children") or []
    if level == NODE_LEVEL:
        if children:
            raise ConfigurationError(f"{key}.children: level {level} has chips and sub-workers, no children")
        if not chips and not subs:
            raise ConfigurationError(
                f"{key}.chips={chips}: there are no chips and no sub_workers; give at least one of either"
            )
        return Level(name, level, chips, subs)
    if chips:
        raise ConfigurationError(
            f"{key}.chips={chips}: must be 0 at level {level}; chips belong to level {NODE_LEVEL}, "
            f"declared in {key}.children"
        )
    if not children:
        raise ConfigurationError(f"{key}.children: missing; level {level} consists of levels {level - 1}")
    below: list[Level] = []
    for i, child in enumerate(children):
        below += _children(child, f"{key}.children[{i}]", level - 1, len(below))
    return Level(name, level, 0, subs, tuple(below))


def _children(config: Any, key: str, level: int, begin: int) -> list[Level]:
    """The levels of one entry of ``children``; the first has the number ``begin``."""
    given = checked(LevelConfig, config, key).get("level", level)
    if given != level:
        raise ConfigurationError(f"{key}.level={given}: must be {level}, one less than its parent's")
    count = config.get("count", 1)
    kind = "node" if level == NODE_LEVEL else f"level {level} worker"
    return [_level(config, key, level, str(config.get("name") or f"{kind} {begin + i}")) for i in range(count)]
