"""Runs the points of a sweep one after another in this process.

Hydra's basic launcher does the same, but copies each point's configuration five times and writes it with a YAML writer
in Python, which takes longer than a small point itself. Callbacks, environment, logging, working directory and the
files in ``.hydra`` are the same as with Hydra (docs of Hydra 1.3, "Configuring Hydra").
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log, env_override, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf._utils import get_omega_conf_dumper

from pipeline.common.places import run_directory_written
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hydra._internal.callbacks import Callbacks
    from hydra.types import HydraContext, TaskFunction

_Base: Any = getattr(yaml, "CDumper", yaml.Dumper)
"""PyYAML's writer, in C if PyYAML has it."""


class _Dumper(_Base):  # type: ignore[misc]
    """Quotes strings as OmegaConf does, which reads more texts as numbers than YAML 1.1."""


_Dumper.add_representer(str, get_omega_conf_dumper().yaml_representers[str])


def run_points(
    points: Sequence[Sequence[str]], first_number: int, config: DictConfig, context: HydraContext, task: TaskFunction
) -> list[JobReturn]:
    """Runs each point. Returns how each ended; a failed point does not end the others.

    Args:
        points: the overrides of each point.
        first_number: the number of the first point; the others follow.
        config: the configuration of the sweep.
        context: composes points and has the callbacks.
        task: the application.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    returned = []
    for number, overrides in enumerate(points, first_number):
        returned.append(run_point(compose_point(overrides, number, config, context), context.callbacks, task))
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    return returned


def compose_point(overrides: Sequence[str], number: int, config: DictConfig, context: HydraContext) -> DictConfig:
    """The configuration of a point."""
    point = context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(point):
        point.hydra.job.num, point.hydra.job.id = number, str(number)
    return point


def run_point(point: DictConfig, callbacks: Callbacks, task: TaskFunction) -> JobReturn:
    """Runs one composed point in this process, which may be another one than that of the sweep."""
    with _hydra_configured(point):
        folder = folder_of(point)
        with read_write(point.hydra.runtime), open_dict(point.hydra.runtime):
            point.hydra.runtime.output_dir = str(folder)
        OmegaConf.set_readonly(point.hydra, True)
        seen = OmegaConf.masked_copy(point, [str(key) for key in point if key != "hydra"])
        ended = JobReturn(
            overrides=list(point.hydra.overrides.task),
            cfg=seen,
            hydra_cfg=OmegaConf.masked_copy(point, "hydra"),
            task_name=JobRuntime.instance().get("name"),
        )
        try:
            with run_directory_written(folder, sweep=True):
                folder.mkdir(parents=True, exist_ok=True)
                _save(point, seen, folder)
        except ConfigurationError as error:
            ended.return_value = error
            ended.status = JobStatus.FAILED
            return ended
        with contextlib.chdir(folder) if point.hydra.job.chdir else contextlib.nullcontext():
            ended.working_dir = str(Path.cwd())
            configure_log(point.hydra.job_logging, point.hydra.verbose)
            with env_override(point.hydra.job.env_set):
                callbacks.on_job_start(config=point, task_function=task)
                try:
                    ended.return_value = task(seen)
                    ended.status = JobStatus.COMPLETED
                except Exception as error:
                    ended.return_value = error
                    ended.status = JobStatus.FAILED
            callbacks.on_job_end(config=point, job_return=ended)
    return ended


def folder_of(point: DictConfig) -> Path:
    """The run directory of a point."""
    return Path(str(point.hydra.sweep.dir), str(point.hydra.sweep.subdir)).absolute()


@contextlib.contextmanager
def _hydra_configured(point: DictConfig) -> Iterator[None]:
    """Sets ``HydraConfig`` and the resolver ``hydra:`` to a point's configuration."""
    hydra = HydraConfig.instance()
    before, hydra.cfg = hydra.cfg, point  # type: ignore[assignment]
    try:
        yield
    finally:
        hydra.cfg = before


def _save(point: DictConfig, seen: DictConfig, folder: Path) -> None:
    """Writes the configuration of a point into ``.hydra``, or into ``hydra.output_subdir``."""
    if point.hydra.output_subdir is None:
        return
    folder = folder / str(point.hydra.output_subdir)
    folder.mkdir(exist_ok=True)
    contents = {
        "config.yaml": OmegaConf.to_container(seen, enum_to_str=True),
        "hydra.yaml": {"hydra": OmegaConf.to_container(point.hydra, enum_to_str=True)},
        "overrides.yaml": OmegaConf.to_container(point.hydra.overrides.task),
    }
    for name, content in contents.items():
        (folder / name).write_text(yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False), "utf-8")
