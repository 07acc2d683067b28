"""A chip model of a config, checked: the chips of virtual time, and the costs of callables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config.keys import checked
from pipeline.config.schema import ChipModelConfig, TaskCostConfig
from pipeline.config.suggest import near
from runtime.errors import ConfigurationError
from runtime.numbers import integer
from runtime.virtual.chip_model import LONGEST_DELAY_NS, ChipModel, TaskCost

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = "chip_model"
_OF_CHIP = ("latency_ns", "bandwidth", "cores")


@dataclass(frozen=True, slots=True)
class Modelled:
    """The values for virtual time, computed beside a run or instead of it."""

    name: str
    """The name of the chip model."""
    chip: ChipModel
    dispatch_ns: int
    """The parent's time to hand over one task."""
    costs: Mapping[str, TaskCost]
    """The costs, by the workload's names of its callables."""


def parse_chip_model(config: Mapping[str, Any], callables: Sequence[str]) -> Modelled:
    """Checks a chip model.

    Args:
        config: see pipeline.config.schema.ChipModelConfig.
        callables: names of the workload's callables.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    checked(ChipModelConfig, config, KEY)
    try:
        chip = ChipModel(**{name: config[name] for name in _OF_CHIP})
        integer("dispatch_ns", config["dispatch_ns"], 0, LONGEST_DELAY_NS, " nanoseconds")
    except ConfigurationError as error:
        raise ConfigurationError(f"{KEY}.{error.args[0]}") from None
    costs = {}
    for name, cost in (config["costs"] or {}).items():
        at = f"{KEY}.costs.{name}"
        if name not in callables:
            hint = near(name, callables) or f"; the workload has {', '.join(callables) or 'none'}"
            raise ConfigurationError(f"{at}: no such callable{hint}")
        try:
            costs[name] = TaskCost(**checked(TaskCostConfig, cost, at))
        except ConfigurationError as error:
            said = str(error.args[0])
            raise ConfigurationError(said if said.startswith(at) else f"{at}.{said}") from None
    return Modelled(str(config["name"] or "unnamed"), chip, config["dispatch_ns"], costs)
