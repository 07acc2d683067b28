"""A chip model as a config declares it, checked: what chips are taken for in virtual time, and what callables cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config.suggest import near
from runtime.errors import ConfigurationError
from runtime.numbers import integer
from runtime.virtual.chip_model import LONGEST_DELAY_NS, ChipModel, TaskCost

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = "chip_model"
_OF_CHIP = ("latency_ns", "bandwidth", "cores")
_OF_COST = ("core_ns", "core_ns_per_byte")


@dataclass(frozen=True, slots=True)
class Modelled:
    """What is to be computed beside a run, or instead of it."""

    name: str
    """Of the chip model."""
    chip: ChipModel
    dispatch_ns: int
    """How long the parent is busy with handing over one task."""
    costs: Mapping[str, TaskCost]
    """By the names under which the workload knows its callables."""


def parse_chip_model(config: Mapping[str, Any], callables: Sequence[str]) -> Modelled:
    """Checks a chip model.

    Args:
        config: see pipeline.config.schema.ChipModelConfig.
        callables: names of the workload's callables.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    unknown = [name for name in config if name not in ("name", *_OF_CHIP, "dispatch_ns", "costs")]
    if unknown:
        raise ConfigurationError(f"{KEY}.{unknown[0]}={config[unknown[0]]!r}: no such key{near(unknown[0], _OF_CHIP)}")
    try:
        chip = ChipModel(**{name: config[name] for name in _OF_CHIP})
        integer("dispatch_ns", config["dispatch_ns"], 0, LONGEST_DELAY_NS, " nanoseconds")
    except ConfigurationError as error:
        raise ConfigurationError(f"{KEY}.{error.args[0]}") from None
    costs = {}
    for name, cost in (config["costs"] or {}).items():
        if name not in callables:
            hint = near(name, callables) or f"; the workload has {', '.join(callables) or 'none'}"
            raise ConfigurationError(f"{KEY}.costs.{name}: no such callable{hint}")
        try:
            costs[name] = _cost(cost)
        except ConfigurationError as error:
            raise ConfigurationError(f"{KEY}.costs.{name}{error.args[0]}") from None
    return Modelled(str(config["name"] or "unnamed"), chip, config["dispatch_ns"], costs)


def _cost(config: object) -> TaskCost:
    """Raises ConfigurationError with what follows the name of the callable."""
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"={config!r}: a mapping with {' and '.join(_OF_COST)}")
    for name, value in config.items():
        if name not in _OF_COST:
            raise ConfigurationError(f".{name}={value!r}: no such key{near(str(name), _OF_COST)}")
    try:
        return TaskCost(**config)
    except ConfigurationError as error:
        raise ConfigurationError(f".{error.args[0]}") from None
