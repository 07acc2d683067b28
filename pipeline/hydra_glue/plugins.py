"""The sweeper and the launcher that ``-m`` uses, made known to Hydra. What they do is in ``pipeline.sweep``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins

# Hydra 1.3, when it looks for plugins, executes the modules of its own ones once more: classes derived from those of
# before would have bases that nothing else knows. So it looks for them first.
Plugins.instance()

from hydra._internal.core_plugins.basic_launcher import BasicLauncher  # noqa: E402
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # noqa: E402

from pipeline.hydra_glue.versions import HYDRA  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

_NAMESPACE = "hydra_plugins.callring" if HYDRA < (1, 4) else __name__
"""Hydra 1.3 takes plugins only if their names begin with ``hydra_plugins``. Ours are registered under such names and no
module has them: a package of that name in the wheel would be another top-level name in the user's environment."""


@dataclass
class PointsConfig:
    """Group ``hydra/sweeper``, option ``points``."""

    _target_: str = f"{_NAMESPACE}.PointsSweeper"
    max_batch_size: int | None = None
    """Most points that a launcher gets at once; none: all."""
    params: dict[str, str] | None = None
    """Overrides of every sweep, as Hydra's basic sweeper takes them."""
    trials: int | None = None
    """Points that Optuna chooses; none: every point runs."""
    seed: int = 0
    """Of Optuna's choices."""
    objective: str = "run"
    """What Optuna makes fast: ``run``, or the tasks of a callable."""


class PointsSweeper(BasicSweeper):
    """Hydra's basic sweeper, but a point that fails costs only itself, and the sweep leaves its results.

    Args: as PointsConfig.
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
        """Called by Hydra: runs every point and leaves the results."""
        from pipeline.sweep.composition import PointLoader
        from pipeline.sweep.launch import Sweep

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        loader = self.hydra_context.config_loader
        assert isinstance(loader, PointLoader)
        overrides = OverridesParser.create(loader).parse_overrides([*self._parse_config(), *arguments])
        sweep = Sweep(self.config, loader, self.launcher)
        if self.trials is not None:
            from pipeline.sweep.tune import Tuning, best_words, tune

            tuning = Tuning(self.trials, self.seed, self.objective, self.max_batch_size or 1)
            with sweep:
                sweep.exploring = True
                tune(sweep, overrides, tuning)
            sweep.say(best_words(sweep.points, tuning))
            return
        with sweep:
            for batch in self.split_arguments(overrides, self.max_batch_size):
                sweep.launch(batch)


@dataclass
class InProcessConfig:
    """Group ``hydra/launcher``, option ``in_process``."""

    _target_: str = f"{_NAMESPACE}.InProcessLauncher"


class InProcessLauncher(BasicLauncher):
    """Hydra's basic launcher, but made for many short points."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Called by the sweeper."""
        from pipeline.sweep.in_process import run_points

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        return run_points(job_overrides, initial_job_idx, self.config, self.hydra_context, self.task_function)


@functools.cache
def register_plugins() -> None:
    """Makes ``hydra/sweeper: points`` and ``hydra/launcher: in_process`` known to Hydra, once in a process."""
    plugins, store = Plugins.instance(), ConfigStore.instance()
    for plugin in (PointsSweeper, InProcessLauncher):
        plugins.register(plugin)
        plugins.class_name_to_class[f"{_NAMESPACE}.{plugin.__name__}"] = plugin
    store.store(group="hydra/sweeper", name="points", node=PointsConfig, provider="callring")
    store.store(group="hydra/launcher", name="in_process", node=InProcessConfig, provider="callring")
