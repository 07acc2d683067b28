"""What Hydra finds of ours: the sweeper that ``-m`` uses. What it does is in ``pipeline.sweep``."""

# No annotations from __future__: Hydra executes this module before it is in sys.modules, where dataclass looks them up.
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


@dataclass
class PointsConfig:
    """Group ``hydra/sweeper``, option ``points``."""

    _target_: str = "hydra_plugins.callring_sweepers.PointsSweeper"
    max_batch_size: int | None = None
    """Most points that a launcher gets at once; none: all."""
    params: dict[str, str] | None = None
    """Overrides of every sweep, as Hydra's basic sweeper takes them."""


class PointsSweeper(BasicSweeper):
    """Hydra's basic sweeper, but a point that fails costs only itself, and the sweep leaves its results."""

    def setup(self, *, hydra_context: "HydraContext", task_function: "TaskFunction", config: "DictConfig") -> None:
        """Called by Hydra."""
        from pipeline.sweep.composition import with_point_loader

        super().setup(hydra_context=with_point_loader(hydra_context), task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Called by Hydra: runs every point and leaves the results."""
        from pipeline.sweep.launch import Sweep

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        overrides = OverridesParser.create(self.hydra_context.config_loader).parse_overrides(
            [*self._parse_config(), *arguments]
        )
        with Sweep(self.config, self.hydra_context.config_loader, self.launcher) as sweep:
            for batch in self.split_arguments(overrides, self.max_batch_size):
                sweep.launch(batch)


ConfigStore.instance().store(group="hydra/sweeper", name="points", node=PointsConfig, provider="callring")
