"""Reads the callables of a workload: checks every key and resolves sources and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pipeline.config.compiler_flags import require_flags
from pipeline.config.keys import filled
from pipeline.config.schema import ChipCallableConfig, KernelConfig, PythonCallableConfig
from pipeline.config.specs import ChipSpec, KernelSpec, PythonSpec
from pipeline.config.suggest import near
from pipeline.config.targets import Lookup, NotImported
from runtime.errors import ConfigurationError
from runtime.identity import ArgDirection

_PROJECT = Path(__file__).resolve().parents[2]
_DIRECTIONS = {direction.name.lower(): int(direction) for direction in ArgDirection}


def describe_callables(
    callables: Mapping[str, Any], lookup: Lookup
) -> tuple[tuple[ChipSpec, ...], tuple[PythonSpec, ...]]:
    """The chip callables and the Python callables of a workload.

    Args:
        callables: configs by name, as composed from conf/callable.
        lookup: the folders and packages of sources and Python targets.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    chips: list[ChipSpec] = []
    pythons: list[PythonSpec] = []
    for name, config in callables.items():
        key = f"workload.callables.{name}"
        if not isinstance(config, Mapping):
            raise ConfigurationError(f"{key}={config!r}: a callable is a mapping; see conf/callable")
        kind = config.get("kind")
        if kind == "chip":
            chips.append(_chip(name, key, config, lookup.folders))
        elif kind == "python":
            pythons.append(_python(name, key, config, lookup))
        else:
            raise ConfigurationError(f"{key}.kind={kind!r}: 'chip' or 'python'")
    return tuple(chips), tuple(pythons)


def _chip(name: str, key: str, config: Mapping[str, Any], folders: Sequence[Path]) -> ChipSpec:
    values: ChipCallableConfig = filled(ChipCallableConfig, config, key)
    if not all(isinstance(kernel, Mapping) for kernel in values.kernels):
        raise ConfigurationError(f"{key}.kernels: each is a mapping with name, source and signature")
    kernels: list[KernelConfig] = [
        filled(KernelConfig, cast("Mapping[str, Any]", kernel), f"{key}.kernels[{i}]")
        for i, kernel in enumerate(values.kernels)
    ]
    require_flags(values.flags, f"{key}.flags")
    signature = _signature(values.signature, f"{key}.signature")
    if not values.source and not kernels:
        raise ConfigurationError(f"{key}: give source or kernels")
    source = _source(values.source, f"{key}.source", folders) if values.source else None
    specs = tuple(
        KernelSpec(
            kernel.name,
            _source(kernel.source, f"{key}.kernels[{i}].source", folders),
            _source_name(kernel.source),
            _signature(kernel.signature, f"{key}.kernels[{i}].signature"),
            i if kernel.func_id is None else kernel.func_id,
            kernel.core_kind,
        )
        for i, kernel in enumerate(kernels)
    )
    entry = values.entry or (source.stem if source else specs[0].name)
    if not specs and source is not None:
        # A single kernel needs no orchestration function: the chip launches it directly.
        specs, source = (KernelSpec(entry, source, _source_name(values.source), signature, 0, "aiv"),), None
    elif source is None and (len(specs) != 1 or specs[0].signature != signature or specs[0].name != entry):
        raise ConfigurationError(
            f"{key}: several kernels, or one whose name or signature differs from the callable's, need an "
            "orchestration function: give its file as source and its name as entry"
        )
    return ChipSpec(
        name,
        entry,
        signature,
        source,
        _source_name(values.source) if source else "",
        specs,
        tuple(values.flags),
        float(values.flop),
        float(values.bytes),
    )


def _signature(words: Sequence[Any], key: str) -> tuple[int, ...]:
    for word in words:
        if word not in _DIRECTIONS:
            known = ", ".join(_DIRECTIONS)
            raise ConfigurationError(f"{key}: {word!r} is none of {known}{near(str(word), _DIRECTIONS)}")
    return tuple(_DIRECTIONS[word] for word in words)


def _source(name: str, key: str, folders: Sequence[Path]) -> Path:
    if not name:
        raise ConfigurationError(f"{key}: missing")
    for folder in (*folders, _PROJECT):
        path = (folder / name).resolve()
        if path.is_file():
            return path
    raise ConfigurationError(
        f"{key}={name!r}: this file does not exist (looked in the folders of the configs and the project)"
    )


def _source_name(declared: str) -> str:
    return Path(declared).name if Path(declared).is_absolute() else Path(declared).as_posix()


def _python(name: str, key: str, config: Mapping[str, Any], lookup: Lookup) -> PythonSpec:
    values: PythonCallableConfig = filled(PythonCallableConfig, config, key)
    function = lookup.target(values.target, f"{key}.target")
    if not callable(function) and not isinstance(function, NotImported):
        raise ConfigurationError(f"{key}.target={values.target!r}: not callable")
    return PythonSpec(name, values.target, values.pickle_by_value, float(values.flop), float(values.bytes))
