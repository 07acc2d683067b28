"""Turns errors of Hydra and OmegaConf about a wrong command line into one clear message."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.common import outcome
from pipeline.config.schema import ChipCallableConfig, ChipModelConfig, Config, PythonCallableConfig
from pipeline.config.suggest import near
from pipeline.config.tree import CONF, named_folders
from pipeline.hydra_glue.forgotten_sweep import sweep_line

_CALLABLE_KEYS = {field.name for kind in (ChipCallableConfig, PythonCallableConfig) for field in fields(kind)}
_GROUPS_WITHOUT_DEFAULT = {"topology": "chip8", "chip_model": "example"}
"""The groups without a default, with an example option of each."""
_ADDED_TO_WORKLOADS = ("workload.name", "workload.repeat", "workload.capture", "workload.sizes", "workload.verify")
"""Keys of every workload, also if it does not set them."""
_OPEN = ("topology.engine.labels", "hydra.launcher.labels")
"""Mappings whose keys are the user's."""
_MANY = 8
"""With more options than these, a message names only the nearest."""
_KINDS = {"Integer": "an integer", "Float": "a number", "Boolean": "true or false"}


def explain_error(error: BaseException) -> str:
    """The message for an error of Hydra: what is wrong with this process's command line or with the configs."""
    keys = _dotted_keys(OmegaConf.structured(Config(chip_model=ChipModelConfig())))
    return explain(error, [*named_folders(sys.argv[1:]), CONF], keys)


def _dotted_keys(config: Any, prefix: str = "") -> list[str]:
    keys = []
    for key in config:
        keys.append(f"{prefix}{key}")
        if isinstance(config[key], DictConfig):
            keys += _dotted_keys(config[key], f"{prefix}{key}.")
    return keys


def explain(error: BaseException, folders: Sequence[Path], keys: Iterable[str]) -> str:
    """The message: what is wrong with the command line or the configs, and what to write instead.

    Args:
        error: Hydra's error; its causes include OmegaConf's error.
        folders: the config trees, for their groups and options.
        keys: dotted keys of the schema, for suggestions.
    """
    texts = _texts(error)
    unread = getattr(error, "override", None)
    if isinstance(unread, str):
        return _unread(unread)
    ambiguous = re.match(r"Ambiguous value for argument '([^=]+)=(.*)'", texts[0])
    if ambiguous:
        key, values = ambiguous.groups()
        line = sweep_line(outcome.arguments)
        return f"{key}={values}: several values; to sweep over them write {line}; a list is {key}=[{values}]"
    if texts[0].startswith("Config group override must be"):
        return "a group of configs cannot be null: choose one of its options"
    first = texts[0].splitlines()[0] if texts[0] else type(error).__name__
    for text in texts:
        message = _no_option(text, folders) or _not_in_defaults(text, folders) or _said_of_a_file(text)
        if message:
            return message
    known = [*keys, *workload_keys(folders), *groups(folders), *_beside(error)]
    for text in texts:
        message = _unknown_key(text, first, known)
        if message:
            return message
    for text in texts:
        message = _wrong_value(text, first)
        if message:
            return message
    return _other(texts[0], first)


def _beside(error: BaseException | None) -> Iterator[str]:
    """The dotted keys beside an unknown one, in a section that Hydra or a plugin defines by a dataclass."""
    while error is not None:
        section, _, unknown = str(getattr(error, "full_key", None) or "").rpartition(".")
        kind = getattr(error, "object_type", None)
        if unknown and isinstance(kind, type) and is_dataclass(kind):
            yield from (f"{section}.{field.name}" for field in fields(kind) if not field.name.startswith("_"))
        error = error.__cause__ or error.__context__


def groups(folders: Iterable[Path]) -> list[str]:
    """The config groups of the trees."""
    return sorted({path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()})


def options(folders: Iterable[Path], group: str) -> list[str]:
    """The options of one group."""
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})


def workload_keys(folders: Iterable[Path]) -> list[str]:
    """The dotted keys that the workloads set; unreadable files have none."""
    import yaml

    keys: set[str] = set()
    for file in (file for folder in folders for file in (folder / "workload").glob("*.yaml")):
        try:
            keys |= set(_dotted(yaml.safe_load(file.read_text()), "workload."))
        except (OSError, ValueError, yaml.YAMLError):
            continue
    return sorted(key for key in keys if not key.startswith("workload.defaults"))


def _dotted(value: Any, prefix: str) -> Iterable[str]:
    """The dotted keys of nested mappings."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield f"{prefix}{key}"
        yield from _dotted(inner, f"{prefix}{key}.")


def _texts(error: BaseException) -> list[str]:
    """The texts of the error and of its causes, without templates whose values were not filled in."""
    texts = []
    at: BaseException | None = error
    while at is not None:
        texts.append(str(at).strip())
        at = at.__cause__ or at.__context__
    return [texts[0], *(text for text in texts[1:] if text and "$" not in text)]


def _no_option(text: str, folders: Sequence[Path]) -> str | None:
    found = re.search(r"Could not (?:find|load) '([\w@./-]+)/([^'/]*)'", text)
    if not found:
        return None
    group, option = found[1], found[2]
    known = options(folders, group) or _listed(text)
    if not known and group not in groups(folders):
        return f"{group}={option}: no such config group{near(group, groups(folders))}"
    hint = near(option, known)
    all_known = f" (known are {', '.join(known) or 'none'})"
    return f"{group}={option}: no such option{hint}{all_known if len(known) <= _MANY or not hint else ''}"


def _listed(text: str) -> list[str]:
    """The options of a group without files, such as ``hydra/launcher``, in Hydra's message."""
    listed = text.partition("Available options in")[2].partition("Config search path:")[0]
    return re.findall(r"^\t(\S+)$", listed, flags=re.MULTILINE)


def _unread(override: str) -> str:
    """The message for an override that Hydra's grammar cannot parse."""
    key, equals, _ = override.partition("=")
    if not equals and not override.startswith("~"):
        return f"{override}: give key=value"
    return f"{override}: cannot be read; quote values with special characters: {key}='\"...\"' in a shell"


def _said_of_a_file(text: str) -> str | None:
    """The YAML parser's message about a file, in one line."""
    place = re.search(r'in "([^"]+)", line (\d+)', text)
    if not place:
        return None
    places = re.findall(r'in "[^"]+", line (\d+), column (\d+)', text)
    said = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith('in "')]
    line, column = places[-1]
    return f"{Path(place[1]).name}: line {line}, column {column}: {', '.join(said)}"


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
            f"write +{group}=... (for instance +{group}={_GROUPS_WITHOUT_DEFAULT[group]})"
        )
    name, at, package = group.partition("@")
    if at and name in groups(folders):
        hint = re.search(r"Did you mean to override one of (.*)\?", text) or re.search(r"override (\S+)\?", text)
        return f"{group}: nothing is composed at {package}" + (f"; known are {hint[1]}" if hint else "")
    return f"{group}: no such config group{near(name, groups(folders))}"


def _unknown_key(text: str, first: str, known: list[str]) -> str | None:
    unknown = re.search(r"Key '([^']+)' (?:is not in struct|not in '\w+')", text) or re.search(
        r"delete from config. '([^']+)' does not exist", text
    )
    if not unknown:
        return None
    full = re.search(r"full_key: (\S+)", text)
    wanted = re.search(r"Could not override '([^']+)'", first) or re.search(r"delete from config. '([^']+)'", first)
    name = wanted[1] if wanted else full[1] if full else unknown[1]
    where = re.match(r"(In '[^']+'): ", first)
    where_words = f"{where[1]}: " if where else ""
    if re.fullmatch(r"workload\.callables\.\w+\.\w+", name) and name.rpartition(".")[2] in _CALLABLE_KEYS:
        return f"{name}: it has no value to replace, so it is added: write +{name}=..."
    if name in _ADDED_TO_WORKLOADS:
        return f"{name}: this workload leaves it out, so it is added: write +{name}=..."
    mapping = next((key for key in _OPEN if name == key or name.startswith(f"{key}.")), None)
    if mapping:
        return f"{name}: it has no value to replace, so it is added: write +{mapping}.NAME=..."
    longer = [key for key in known if key.endswith(f".{name}")]
    if len(longer) == 1 and "." in name:
        return f"{where_words}{name}: no such key; did you mean {longer[0]}?"
    known = [key for key in known if key.count(".") == name.count(".")]
    if name in known:
        return f"{name}: not a key of the chosen option of {name.partition('.')[0]}, though of another one"
    return f"{where_words}{name}: no such key{near(name, known)}"


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
