"""The sweeper and the launcher of ``-m``, as plugins of Hydra."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from pipeline.hydra_glue.plugins import BasicLauncher, BasicSweeper, plugin_name, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


@dataclass
class PointsConfig:
    """Group ``hydra/sweeper``, option ``points``."""

    _target_: str = plugin_name(__name__, "PointsSweeper")
    max_batch_size: int | None = None
    """Most points that a launcher gets at once; null: all points."""
    params: dict[str, str] | None = None
    """Overrides of every sweep, as for Hydra's basic sweeper."""
    trials: int | None = None
    """Number of points that Optuna chooses; null: all points run."""
    seed: int = 0
    """The seed of Optuna's choices."""
    objective: str = "run"
    """The time that Optuna minimises: ``run``, or the tasks of a callable."""


class PointsSweeper(BasicSweeper):
    """Like Hydra's basic sweeper, but a failed point does not end the sweep, and the sweep writes its results.

    Args: as in PointsConfig.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: dict[str, str] | None,
        trials: int | None,
        seed: int,
        objective: str,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.trials, self.seed, self.objective = trials, seed, objective

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra."""
        from pipeline.sweep.composition import with_point_loader

        super().setup(hydra_context=with_point_loader(hydra_context), task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Called by Hydra: runs every point and writes the results."""
        from pipeline.sweep.composition import PointLoader
        from pipeline.sweep.launch import Sweep

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        loader = self.hydra_context.config_loader
        assert isinstance(loader, PointLoader)
        overrides = OverridesParser.create(loader).parse_overrides([*self._parse_config(), *arguments])
        keys = [override.get_key_element().lstrip("+") for override in overrides if override.is_sweep_override()]
        if self.trials is not None:
            from pipeline.sweep.page import Searched
            from pipeline.sweep.tune import Tuning, best_words, objective_if_known, tune

            tuning = Tuning(self.trials, self.seed, self.objective, self.max_batch_size or 1)
            sweep = Sweep(self.config, loader, self.launcher, keys, self.trials)
            with sweep:
                sweep.searched = Searched(lambda point: objective_if_known(point, self.objective), self.objective)
                tune(sweep, overrides, tuning)
            sweep.say(best_words(sweep.points, tuning))
            return
        batches = list(self.split_arguments(overrides, self.max_batch_size))
        with Sweep(self.config, loader, self.launcher, keys, sum(map(len, batches))) as sweep:
            for batch in batches:
                sweep.launch(batch)


@dataclass
class InProcessConfig:
    """Group ``hydra/launcher``, option ``in_process``."""

    _target_: str = plugin_name(__name__, "InProcessLauncher")


class InProcessLauncher(BasicLauncher):
    """Like Hydra's basic launcher, but for many short points."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Called by the sweeper."""
        from pipeline.sweep.in_process import run_points

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        return run_points(job_overrides, initial_job_idx, self.config, self.hydra_context, self.task_function)


@functools.cache
def register_plugins() -> None:
    """Registers ``hydra/sweeper: points`` and ``hydra/launcher: in_process`` with Hydra, once in a process."""
    register(PointsSweeper, {"hydra/sweeper/points": PointsConfig})
    register(InProcessLauncher, {"hydra/launcher/in_process": InProcessConfig})
