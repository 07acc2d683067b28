"""Turns what Hydra and OmegaConf say about a wrong command line into one clear message."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from pipeline.schema import ChipCallableConfig, PythonCallableConfig

_CALLABLE_KEYS = {field.name for kind in (ChipCallableConfig, PythonCallableConfig) for field in fields(kind)}
_GROUPS_WITHOUT_DEFAULT = ("topology",)
_KINDS = {"Integer": "an integer", "Float": "a number", "Boolean": "true or false"}


def explain(error: BaseException, folders: Sequence[Path], keys: Iterable[str]) -> str:
    """What is wrong with the command line or the configs, and what to write instead.

    Args:
        error: what Hydra raised; what OmegaConf said is among its causes.
        folders: the config trees, to know their groups and options.
        keys: dotted keys of the schema, for suggestions.
    """
    texts = _texts(error)
    first = texts[0].splitlines()[0] if texts[0] else type(error).__name__
    for text in texts:
        message = _no_option(text, folders) or _not_in_defaults(text, folders)
        if message:
            return message
    for text in texts:
        message = _unknown_key(text, first, [*keys, *workload_keys(folders), *groups(folders)])
        if message:
            return message
    for text in texts:
        message = _wrong_value(text, first)
        if message:
            return message
    return _other(texts[0], first)


def groups(folders: Iterable[Path]) -> list[str]:
    """The config groups of the trees."""
    return sorted({path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()})


def options(folders: Iterable[Path], group: str) -> list[str]:
    """The options of one group."""
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})


def workload_keys(folders: Iterable[Path]) -> list[str]:
    """The keys that the workloads set."""
    files = [file for folder in folders for file in (folder / "workload").glob("*.yaml")]
    names = {match[1] for file in files for match in re.finditer(r"^(\w+):", file.read_text(), re.MULTILINE)}
    return sorted(f"workload.{name}" for name in names - {"defaults"})


def near(name: str, known: Iterable[str]) -> str:
    """``"; did you mean ...?"``, or nothing if no known name is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _texts(error: BaseException) -> list[str]:
    """What the error and everything behind it say; templates whose values were not filled in left out."""
    texts = []
    at: BaseException | None = error
    while at is not None:
        texts.append(str(at).strip())
        at = at.__cause__ or at.__context__
    return [texts[0], *(text for text in texts[1:] if text and "$" not in text)]


def _no_option(text: str, folders: Sequence[Path]) -> str | None:
    found = re.search(r"Could not (?:find|load) '([\w@./-]+)/([\w.-]+)'", text)
    if not found:
        return None
    group, option = found[1], found[2]
    known = options(folders, group)
    if not known and group not in groups(folders):
        return f"{group}={option}: no such config group{near(group, groups(folders))}"
    return f"{group}={option}: no such option{near(option, known)} (known are {', '.join(known) or 'none'})"


def _not_in_defaults(text: str, folders: Sequence[Path]) -> str | None:
    found = re.search(r"Could not override '([\w@./]+)'\. No match in the defaults list", text) or re.match(
        r"Could not override '([\w./]+@[\w@./]+)'", text
    )
    if not found:
        return None
    group = found[1]
    if group in _GROUPS_WITHOUT_DEFAULT:
        return (
            f"{group}: it has no default, so it is added, not replaced: "
            f"write +{group}=... (for instance +{group}=chip8)"
        )
    name, at, package = group.partition("@")
    if at and name in groups(folders):
        hint = re.search(r"Did you mean to override one of (.*)\?", text) or re.search(r"override (\S+)\?", text)
        return f"{group}: nothing is composed at {package}" + (f"; known are {hint[1]}" if hint else "")
    return f"{group}: no such config group{near(name, groups(folders))}"


def _unknown_key(text: str, first: str, known: list[str]) -> str | None:
    unknown = re.search(r"Key '([^']+)' (?:is not in struct|not in '\w+')", text)
    if not unknown:
        return None
    full = re.search(r"full_key: (\S+)", text)
    wanted = re.search(r"Could not override '([^']+)'", first)
    name = wanted[1] if wanted else full[1] if full else unknown[1]
    where = re.match(r"(In '[^']+'): ", first)
    if re.fullmatch(r"workload\.callables\.\w+\.\w+", name) and name.rpartition(".")[2] in _CALLABLE_KEYS:
        return f"{name}: it has no value to replace, so it is added: write +{name}=..."
    known = [key for key in known if key.count(".") == name.count(".")]
    if name in known:
        return f"{name}: not a key of what was chosen, though another option of {name.partition('.')[0]} has it"
    return f"{f'{where[1]}: ' if where else ''}{name}: no such key{near(name, known)}"


def _wrong_value(text: str, first: str) -> str | None:
    full = re.search(r"full_key: (\S+)", text)
    if not full:
        return None
    key = full[1]
    said = text.splitlines()[0]
    where = re.match(r"(In '[^']+'): ", said)
    override = re.match(r"Error merging override [+]*([^=]+)=(.*)", first)
    converted = re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", said)
    allowed = re.search(r"Invalid value '(.*)', expected one of \[(.*)\]", said)
    value = override[2] if override else converted[1] if converted else allowed[1] if allowed else None
    named = f"{f'{where[1]}: ' if where else ''}{key}" + ("" if value is None else f"={value}")
    if converted:
        return f"{named}: must be {_KINDS.get(converted[2], converted[2])}"
    if allowed:
        choices = allowed[2].split(", ")
        if "off" in choices and allowed[1] == "False":
            return f"{named}: must be one of {allowed[2]}; YAML reads off as false: write 'off', in quotes"
        return f"{named}: must be one of {allowed[2]}{near(allowed[1], choices)}"
    if "ListConfig" in said:
        return f"{named}: must be a list, for instance [a,b]"
    return f"{named}: {said}"


def _other(text: str, first: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and "https://" not in line]
    return "; ".join(line.removesuffix(".") for line in lines) or first
