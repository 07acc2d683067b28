"""The sweeper and the launcher of ``-m``, as plugins of Hydra."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from pipeline.hydra_glue.plugins import BasicLauncher, BasicSweeper, plugin_name, register

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from pipeline.sweep.machines import Machines


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
        with self.launcher.begun() if isinstance(self.launcher, RayLauncher) else contextlib.nullcontext():
            self._sweep(arguments)

    def _sweep(self, arguments: list[str]) -> None:
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


@dataclass
class RayConfig:
    """Group ``hydra/launcher``, option ``ray``: runs points on the machines of a Ray cluster."""

    _target_: str = plugin_name(__name__, "RayLauncher")
    kind: str = "ray"
    """``ray``; or ``fake``, for tests: processes of this machine."""
    address: str = "auto"
    """``auto`` (the cluster that this machine belongs to), ``local`` (a cluster of this machine alone, started and
    ended with the sweep) or ``HOST:PORT``."""
    machines: int | None = None
    """How many machines must be there, within ``worker.start_timeout``, and are used; null: all that are there."""
    points_per_machine: int = 1
    """How many points a machine runs at the same time."""
    lost_after: float = 15.0
    """Seconds without an answer after which a machine counts as lost."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels that a machine must have, by name."""
    token: str = ""
    """The file of the token with which the sweep authenticates itself; empty: without authentication."""
    tls: list[str] = field(default_factory=list)
    """The files of certificate, key and certificate authority, in this order; empty: connections are not encrypted."""


class RayLauncher(InProcessLauncher):
    """Runs each point on a machine of a Ray cluster. A plan, which starts nothing, is made in this process.

    Args: as in RayConfig.
    """

    def __init__(self, *, machines: int | None, points_per_machine: int, **engine: Any) -> None:
        super().__init__()
        self._wanted, self._at_once = machines, points_per_machine
        self._engine = {name: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for name, v in engine.items()}
        self._machines: Machines | None = None

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """The machines are ready while the block runs.

        Raises:
            ConfigurationError: a key has a wrong value.
            PlatformUnavailable: Ray is not installed.
            StartError: the machines are not ready.
        """
        from pipeline.sweep.machines import Machines
        from pipeline.sweep.on_machines import cluster_of, require_installed

        assert self.config is not None
        cluster = cluster_of(self._engine, self._wanted, self._at_once)
        if self.config.stage.name == "plan":
            yield
            return
        require_installed(cluster)
        with Machines(cluster, self._wanted, self._at_once, self.config.worker.start_timeout) as self._machines:
            yield

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Called by the sweeper."""
        from pipeline.sweep.on_machines import run_points

        if self._machines is None:
            return super().launch(job_overrides, initial_job_idx)
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        return run_points(
            self._machines,
            job_overrides,
            initial_job_idx,
            self.config,
            context=self.hydra_context,
            task=self.task_function,
        )


@functools.cache
def register_plugins() -> None:
    """Registers the sweeper ``points`` and the launchers ``in_process`` and ``ray`` with Hydra, once in a process."""
    register(PointsSweeper, {"hydra/sweeper/points": PointsConfig})
    register(InProcessLauncher, {"hydra/launcher/in_process": InProcessConfig})
    register(RayLauncher, {"hydra/launcher/ray": RayConfig})
