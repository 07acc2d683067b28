"""The content of a lock file: typed, and as YAML that is readable in a diff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from runtime.errors import ConfigurationError, HashidFormatError
from runtime.identity import CallableKind, validate_hashid

VERSION = 1
"""Increased when a key changes its meaning or is removed."""

_HEADER = (
    "# Which bytes each callable of a workload is, by target: lock=check compares, lock=write updates. Commit it.\n"
)
_DEEPEST = 8
"""Most nested levels, more than a lock has: an alias that contains itself would be read without end."""

Fact = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LockedCallable:
    """One callable on one target: its hashid, and the facts that explain a difference."""

    hashid: str
    kind: CallableKind
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """The sources of the bytes: relative names to SHA-256. They are not compared for kinds 1 and 4, whose hashid covers
    the bytes that execute."""


Callables = Mapping[str, LockedCallable]
"""By name."""


@dataclass(frozen=True, slots=True)
class LockDocument:
    """A whole lock file."""

    workloads: Mapping[str, Mapping[str, Callables]] = field(default_factory=dict)
    """The callables by workload and target."""

    def with_callables(self, workload: str, target: str, callables: Callables) -> LockDocument:
        """A document with the callables of one workload on one target replaced, and all others kept."""
        targets = {**self.workloads.get(workload, {}), target: callables}
        return LockDocument({**self.workloads, workload: targets})


def lock_text(document: LockDocument) -> str:
    """The document as YAML: sorted, one value a line, so that equal documents are equal bytes."""
    plain = {
        "version": VERSION,
        "workloads": {
            workload: {
                target: {name: _plain_callable(callable_) for name, callable_ in callables.items()}
                for target, callables in targets.items()
            }
            for workload, targets in document.workloads.items()
        },
    }
    # Without allow_unicode, because PyYAML cannot read some Unicode line ends that it writes.
    text: str = yaml.safe_dump(plain, default_flow_style=False, width=float("inf"))
    return _HEADER + text


def parse_lock(text: str) -> LockDocument:
    """Reads the output of ``lock_text``, possibly edited or merged by people.

    Raises:
        ConfigurationError: no YAML, another version, or not a lock; names the line or the key.
    """
    root = _mapping(_parse(text), "the file")
    if "version" not in root:
        raise ConfigurationError("version: missing, so this is no lock file")
    if root["version"] != str(VERSION):
        raise ConfigurationError(f"version={root['version']!r}: this Callring reads version {VERSION}")
    for key in root:
        if key not in ("version", "workloads"):
            raise ConfigurationError(f"{key}: no such key; known are version, workloads")
    return LockDocument(
        {
            workload: {
                target: {
                    name: _callable(value, f"workloads.{workload}.{target}.{name}")
                    for name, value in _mapping(callables, f"workloads.{workload}.{target}").items()
                }
                for target, callables in _mapping(targets, f"workloads.{workload}").items()
            }
            for workload, targets in _mapping(root.get("workloads"), "workloads").items()
        }
    )


def _plain_callable(callable_: LockedCallable) -> dict[str, Any]:
    facts = {key: value if isinstance(value, str) else dict(value) for key, value in callable_.facts.items()}
    return {**facts, "hashid": callable_.hashid, "kind": str(callable_.kind)}


def _callable(value: Any, key: str) -> LockedCallable:
    values = _mapping(value, key)
    for name in ("hashid", "kind"):
        if not isinstance(values.get(name), str):
            raise ConfigurationError(f"{key}.{name}: missing")
    try:
        hashid = validate_hashid(values.pop("hashid"))
    except HashidFormatError as error:
        raise ConfigurationError(f"{key}.hashid: {error.args[0]}") from None
    kind = values.pop("kind")
    if kind not in list(CallableKind):
        raise ConfigurationError(f"{key}.kind={kind!r}: must be one of {', '.join(CallableKind)}")
    for name, fact in values.items():
        if isinstance(fact, dict) and not all(isinstance(item, str) for item in fact.values()):
            raise ConfigurationError(f"{key}.{name}: must map names to texts")
    return LockedCallable(hashid, CallableKind(kind), values)


def _mapping(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{key}: must be a mapping")
    return value


def _parse(text: str) -> Any:
    """The YAML as mappings and texts. Every scalar stays a text: a digest that consists of digits is no number."""
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}: "
        said = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ConfigurationError(f"{where}no valid YAML: {said}{_merge_hint(text)}") from None
    except RecursionError:
        raise ConfigurationError("no lock file: it is nested too deeply") from None
    return None if node is None else _value(node, _DEEPEST)


def _value(node: Any, depth: int) -> Any:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if not isinstance(node, yaml.MappingNode) or depth == 0:
        raise ConfigurationError(f"line {line}: a lock has only mappings and texts, and few levels of them")
    values: dict[str, Any] = {}
    for key, item in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is None:
            raise ConfigurationError(f"line {key.start_mark.line + 1}: a key must be a text")
        if name in values:
            # YAML readers would use the last one, which may be wrong after a merge.
            raise ConfigurationError(f"line {key.start_mark.line + 1}: {name} is there twice")
        values[name] = _value(item, depth - 1)
    return values


def _merge_hint(text: str) -> str:
    conflict = any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in text.splitlines())
    return "; it holds a merge conflict: take either side, then run lock=write" if conflict else ""
