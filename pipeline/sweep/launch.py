"""Launches the points of a sweep with any launcher; a point that fails does not affect the others."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf, open_dict

from pipeline.common import outcome
from pipeline.common.places import run_directory_written
from pipeline.config.schema import FOR_PEOPLE
from pipeline.exit_codes import exit_code_of, message_of
from pipeline.hydra_glue.plugins import BasicLauncher
from pipeline.run.worker_pool import WARM
from pipeline.sweep.finish import finish
from pipeline.sweep.points import Point
from pipeline.sweep.progress import SweepProgress, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from hydra.plugins.launcher import Launcher
    from omegaconf import DictConfig

    from pipeline.live.session import LivePage
    from pipeline.sweep.composition import PointLoader
    from pipeline.sweep.page import Searched


class Sweep:
    """One sweep, as a context: at its end, even after a failure, it collects the results of its points.

    Args:
        config: the sweep's own configuration, as Hydra composed it.
        loader: composes points.
        launcher: runs points.
        keys: the swept keys.
        total: number of points to launch.
    """

    def __init__(
        self, config: DictConfig, loader: PointLoader, launcher: Launcher, keys: Sequence[str], total: int
    ) -> None:
        self._config = config
        self._loader = loader
        self._launcher = launcher
        self._next_number = 0
        self._progress = SweepProgress(keys, total)
        self._page: LivePage | None = None
        self.folder = Path(str(config.hydra.sweep.dir)).absolute()
        self.points: list[Point] = []
        self.searched: Searched | None = None
        """For a tuning: points may turn out to be impossible, and do not decide the exit code if others ended well."""

    def __enter__(self) -> Self:
        """Makes the sweep's directory. Raises ConfigurationError if that fails."""
        with run_directory_written(self.folder, sweep=True):
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._config.hydra.output_subdir is not None:
                OmegaConf.save(self._config, self.folder / "multirun.yaml")
        if self._config.live and self._config.stage.name != "plan":
            from pipeline.sweep.live import begin_page

            self._page = begin_page(self._config, self.points, self._progress.keys, self._progress.total)
        return self

    def launch(self, batch: Sequence[Sequence[str]]) -> list[Point]:
        """Runs points together; returns when all have ended. Their results have been read."""
        points = [Point(tuple(overrides)) for overrides in batch]
        self.points += points
        jobs = [point for point in points if self._compose(point)]
        self._progress.ended += len(points) - len(jobs)
        if not jobs:
            return points
        try:
            # Even after a KeyboardInterrupt __exit__ reports the results so far.
            with self._shown():
                returned = self._launcher.launch([job.overrides for job in jobs], initial_job_idx=jobs[0].number or 0)
        except Exception as error:
            # Raised by another launcher, for instance if one of its processes was killed. Results of points are kept.
            words = f"the launcher failed: {type(error).__name__}: {error}"
            for job in jobs:
                job.error = words
            if self._config.stage.name == "plan":  # a plan has no results
                print(f"error: {words}", file=sys.stderr)
        else:
            for job, ended in zip(jobs, returned, strict=True):
                _note_end(job, ended)
        self._loader.forget()
        for job in jobs:
            job.read_result()
        return points

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration of a point that is not launched. Raises Hydra's error if it cannot be composed."""
        return self._loader.load_sweep_config(self._config, list(overrides))

    def say(self, lines: Sequence[str]) -> None:
        """Prints lines, if the output is for people."""
        if self._config.output.name in FOR_PEOPLE:
            print("\n".join(lines))

    def _compose(self, point: Point) -> bool:
        """Composes a point. Returns whether that succeeded."""
        from pipeline.hydra_glue.messages import explain_error

        try:
            config = self._loader.compose(self._config, point.overrides)
            with open_dict(config):
                config.hydra.job.num, config.hydra.job.id = self._next_number, str(self._next_number)
            folder = self.folder / str(OmegaConf.select(config, "hydra.sweep.subdir"))
        except Exception as error:
            if not type(error).__module__.startswith(("hydra", "omegaconf")):
                raise
            point.error = explain_error(error)
            if all(other.error != point.error for other in self.points if other is not point):
                print(f"error: {point.error}", file=sys.stderr)
            return False
        if self._config.stage.name == "plan":  # a plan changes no files
            point.folder = folder
        else:
            with run_directory_written(folder, sweep=True):
                point.use(folder)
        point.number = self._next_number
        self._next_number += 1
        return True

    def _shown(self) -> AbstractContextManager[None]:
        """Shows how far the sweep is, if its points run in this process: other processes may print at any time."""
        if self._config.stage.name == "plan" or not isinstance(self._launcher, BasicLauncher):
            return nullcontext()
        return shown(self._progress, self._config.output.name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Collects the results."""
        code = None
        try:
            self._put_together()
            code = max([*outcome.codes, *([] if error is None else [exit_code_of(error)])], default=0)
        finally:
            if self._page is not None:
                from pipeline.sweep.live import ending

                self._page.end(ending(self.folder, code))

    def _put_together(self) -> None:
        WARM.close()
        begun = [point for point in self.points if point.error or point.begun]
        if self._config.stage.name == "plan" or all(point.number is None for point in begun):
            outcome.codes += [_code_of(point) for point in begun]
            return
        for point in begun:
            if not point.result:
                point.read_result()
        code = finish(self.folder, begun, self._config, self.searched)
        if self.searched is not None:
            # run_job has noted the codes of the points.
            outcome.codes.clear()
        outcome.codes.append(code)


def _code_of(point: Point) -> int:
    """The exit code of a point without files: of a plan, or of a sweep in which no point could be composed."""
    return point.exit_code if point.returned is None else point.returned


def _note_end(job: Point, ended: JobReturn) -> None:
    if ended.hydra_cfg is not None:
        job.folder = Path(ended.hydra_cfg.hydra.runtime.output_dir)
    if ended.status is JobStatus.FAILED:
        job.error, job.returned = message_of(ended._return_value), exit_code_of(ended._return_value)
    else:
        job.returned = ended.return_value
