"""Turns what Hydra and OmegaConf say about a wrong command line into one clear message."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

_GROUPS_WITHOUT_DEFAULT = ("topology",)


def explain(error: Exception, conf: Path, keys: Iterable[str]) -> str:
    """What is wrong with the command line or the configs, and what to write instead.

    Args:
        error: what Hydra raised.
        conf: the config tree, to know its groups and options.
        keys: dotted keys of the schema, for suggestions.
    """
    text = str(error).strip()
    missing_plus = re.search(r"Could not override '([\w@./]+)'\. No match in the defaults list", text)
    if missing_plus:
        group = missing_plus[1]
        if group in _GROUPS_WITHOUT_DEFAULT:
            return f"{group}: it has no default, so it is added, not replaced: write +{group}=... (for instance +{group}=chip8)"
        return f"{group}: no such config group{_near(group, groups(conf))}"
    no_option = re.search(r"Could not find '([\w@./-]+)/([\w.-]+)'", text)
    if no_option:
        group, option = no_option[1], no_option[2]
        known = options(conf, group)
        return f"{group}={option}: no such option{_near(option, known)}; known are {', '.join(known) or 'none'}"
    unknown = re.search(r"Key '([^']+)' (?:is not in struct|not in '\w+')", text)
    if unknown:
        full = re.search(r"full_key: (\S+)", text)
        key = full[1] if full else unknown[1]
        wanted = re.search(r"Could not override '([^']+)'", text)
        name = wanted[1] if wanted else key
        return f"{name}: no such key{_near(name, keys)}"
    wrong = re.search(r"full_key: (\S+)", text)
    first = text.splitlines()[0] if text else type(error).__name__
    if wrong and wrong[1] not in first:
        return f"{wrong[1]}: {first}"
    return first


def groups(conf: Path) -> list[str]:
    """The config groups of a tree."""
    return sorted(folder.name for folder in conf.iterdir() if folder.is_dir()) if conf.is_dir() else []


def options(conf: Path, group: str) -> list[str]:
    """The options of one group."""
    return sorted(file.stem for file in (conf / group).glob("*.yaml"))


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
