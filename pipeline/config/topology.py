"""A topology of a config, checked and unfolded into a tree of levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.common.counts import count_of
from pipeline.config.keys import checked, filled
from pipeline.config.schema import EngineConfig, LevelConfig, TopologyConfig
from runtime.errors import ConfigurationError
from runtime.hosting.cluster import Cluster
from runtime.processes.topology import NODE_LEVEL

ENGINE = "topology.engine."
"""Before the keys of the engine in messages."""


class Level(NamedTuple):
    """One Worker of the tree and the Workers below it."""

    name: str
    """The place of a level below the root, for instance ``"node 1"``."""
    level: int
    chips: int
    sub_workers: int
    children: tuple[Level, ...] = ()
    engine: Cluster = Cluster()
    """The engine that hosts the children."""

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
        """The processes of the tree, for instance ``"8 chips, 1 sub-worker"`` or ``"4 nodes on ray, 32 chips"``."""
        counts = {"node": len(self.children), "chip": self.total_chips, "sub-worker": self.total_sub_workers}
        words = [count_of(count, kind) for kind, count in counts.items() if count]
        if self.engine.is_remote:
            words[0] += f" on {self.engine.kind}"
        return ", ".join(words)

    @property
    def total_sub_workers(self) -> int:
        """Number of Python sub-workers in the whole tree."""
        return sum(level.sub_workers for level in self.walk())


def parse_topology(config: Mapping[str, Any], key: str = "topology") -> Level:
    """Checks the tree that a config declares.

    Args:
        config: ``name``, ``level``, ``chips``, ``sub_workers``, ``children`` and ``engine``; a child has the same keys,
            except ``engine``, and ``count``, the number of such children (default 1).
        key: key of the config, for messages.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    checked(TopologyConfig, config, key)
    tree = _level(config, key, config.get("level", NODE_LEVEL), str(config.get("name") or ""))
    engine = parse_engine(config.get("engine") or {}, f"{key}.engine")
    if engine.is_remote and not tree.children:
        raise ConfigurationError(
            f"{key}.engine.kind={engine.kind}: level {NODE_LEVEL} has no nodes that an engine could host; choose a "
            f"topology of nodes, for instance +topology=cluster"
        )
    return tree._replace(engine=engine)


def topology_name(config: Mapping[str, Any], overrides: Sequence[str]) -> str:
    """The name of a topology in results: its own name, or its processes if the command line changed it.

    Args:
        config: as in ``parse_topology``; a config that it refuses is named by its overrides.
        overrides: overrides of the command line.
    """
    name = str(config.get("name") or "")
    keys = [override.lstrip("+~").partition("=")[0] for override in overrides]
    changed = [override for override, key in zip(overrides, keys, strict=True) if _changes_processes(key)]
    if name and ("topology.name" in keys or not changed):
        return name
    try:
        return parse_topology(config).words
    except ConfigurationError:
        return ", ".join(changed) or name


def _changes_processes(key: str) -> bool:
    return key.startswith("topology.") and (not key.startswith("topology.engine.") or key == "topology.engine.kind")


def parse_engine(config: Mapping[str, Any], key: str) -> Cluster:
    """The engine of a config with the keys of EngineConfig. Raises ConfigurationError, with the whole key."""
    values: EngineConfig = filled(EngineConfig, config, key)
    for name, value in values.labels.items():
        if not isinstance(value, (str, int, float)):
            raise ConfigurationError(f"{key}.labels.{name}={value!r}: text")
    try:
        return Cluster(
            kind=values.kind,
            address=values.address,
            lost_after=values.lost_after,
            one_per_machine=values.one_per_machine,
            labels=tuple((str(name), str(value)) for name, value in values.labels.items()),
            token=values.token,
            tls=tuple(values.tls),
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{key}.{str(error.args[0]).removeprefix('Cluster: ')}") from None


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
    if (config.get("engine") or {}).get("kind", "local") != "local":
        raise ConfigurationError(
            f"{key}.engine.kind={config['engine']['kind']}: an engine hosts the children of the outermost level only"
        )
    count = config.get("count", 1)
    kind = "node" if level == NODE_LEVEL else f"level {level} worker"
    return [_level(config, key, level, str(config.get("name") or f"{kind} {begin + i}")) for i in range(count)]
