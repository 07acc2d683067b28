"""Runs the points of a sweep on the machines of a Ray cluster, with the results and messages of the other launchers."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus

from pipeline.common.places import run_directory_written
from pipeline.config.schema import FOR_PEOPLE
from pipeline.config.topology import parse_engine
from pipeline.exit_codes import exit_code_of
from pipeline.sweep.far_points import Ran, unpack
from pipeline.sweep.in_process import compose_point, folder_of
from pipeline.sweep.points import Point
from pipeline.sweep.progress import count_ended, say_ended
from runtime.errors import CallringError, ConfigurationError, PlatformUnavailable
from runtime.hosting.requirements import missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from pipeline.sweep.machines import Ended, Machines
    from runtime.hosting.cluster import Cluster

_KEY = "hydra.launcher"


def cluster_of(engine: Mapping[str, Any], wanted: int | None, at_once: int) -> Cluster:
    """The engine that the keys of the launcher name. Raises ConfigurationError, with the whole key."""
    for name, value in (("machines", wanted), ("points_per_machine", at_once)):
        if value is not None and value < 1:
            raise ConfigurationError(f"{_KEY}.{name}={value}: at least 1")
    cluster = parse_engine(engine, _KEY)
    if not cluster.is_remote:
        raise ConfigurationError(f"{_KEY}.kind={cluster.kind}: for points of this machine, hydra/launcher=joblib")
    return cluster


def require_installed(cluster: Cluster) -> None:
    """Refuses an engine that is not installed here. Raises PlatformUnavailable, with what to install."""
    lacking = missing(cluster)
    if lacking:
        raise PlatformUnavailable(f"hydra/launcher=ray: {lacking.replace('nodes on Ray', 'points on Ray')}")


def run_points(
    machines: Machines,
    points: Sequence[Sequence[str]],
    first_number: int,
    config: DictConfig,
    *,
    context: HydraContext,
    task: TaskFunction,
) -> list[JobReturn]:
    """Runs points on machines. Prints the line of each when it has ended, and returns how each ended.

    Args:
        machines: ready ones.
        points: the overrides of each point.
        first_number: the number of the first point; the others follow.
        config: the configuration of the sweep.
        context: composes points and has the callbacks.
        task: the application.
    """
    composed = [compose_point(overrides, first_number + i, config, context) for i, overrides in enumerate(points)]
    returned = [JobReturn() for _ in composed]

    def ended(i: int, how: Ended) -> None:
        point, job = composed[i], returned[i]
        failure = how if isinstance(how, Exception) else _at_home(how, folder_of(point))
        job.status = JobStatus.COMPLETED if failure is None else JobStatus.FAILED
        job.return_value = how.code if failure is None and isinstance(how, Ran) else failure
        if config.output.name in FOR_PEOPLE:
            code = exit_code_of(failure) if failure is not None else job.return_value
            say_ended(Point(tuple(point.hydra.overrides.task), first_number + i, folder_of(point), code))
        else:
            count_ended()

    sweep = Path(str(config.hydra.sweep.dir)).absolute()
    mark = sweep / f".sweep-{secrets.token_hex(8)}"
    with run_directory_written(sweep, sweep=True):
        mark.touch()
    try:
        machines.run([(point, context.callbacks, task) for point in composed], str(mark), ended)
    finally:
        mark.unlink(missing_ok=True)
    return returned


def _at_home(ran: Ran, folder: Path) -> Exception | None:
    """Prints what a point printed, and writes the files that it brought. Returns why it failed, if it did."""
    print(ran.out, end="", flush=True)
    print(ran.err, end="", flush=True, file=sys.stderr)
    try:
        if ran.files is not None:
            unpack(ran.files, folder)
    except ConfigurationError as error:
        return error
    return CallringError(ran.failure) if ran.failure else None
