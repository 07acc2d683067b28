"""Lets Optuna choose points of a space, to find a fast point without running all.

Optuna's own plugin for Hydra is not used: it needs an Optuna older than 3, takes the objective from the return value of
a job in this process, and ends at the first failed point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep
from omegaconf import OmegaConf

from pipeline.common.counts import duration
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    import optuna
    from hydra.core.override_parser.types import Override

    from pipeline.sweep.launch import Sweep
    from pipeline.sweep.points import Point

_WHOLE = "run"


@dataclass(frozen=True, slots=True)
class Tuning:
    """The settings of the search.

    Raises:
        ConfigurationError: a value is out of range; the message names the key.
    """

    trials: int
    """Number of points to try."""
    seed: int
    """The seed of Optuna's sampler: the same measurements give the same points."""
    objective: str
    """The median duration to minimise: that of ``"run"``, or the execution of a callable's tasks."""
    max_batch_size: int
    """Number of points that a launcher gets at once."""

    def __post_init__(self) -> None:
        for key in ("trials", "max_batch_size"):
            if getattr(self, key) < 1:
                raise ConfigurationError(f"hydra.sweeper.{key}={getattr(self, key)}: at least 1")


class Dimension:
    """One swept key: a list of values, or an interval.

    Args:
        override: an override whose value is a sweep.
    """

    def __init__(self, override: Override) -> None:
        self.key = override.get_key_element()
        value = override.value()
        self._bounds, self._log = None, False
        if isinstance(value, IntervalSweep):
            self._bounds, self._log = (value.start or 0, value.end or 0), "log" in value.tags
        self._values = [] if self._bounds else list(dict.fromkeys(override.sweep_string_iterator()))
        # An order helps the sampler: neighbours of a fast value are probably fast.
        self._ordered = len(self._values) > 2 and all(_is_number(value) for value in self._values)
        if self._ordered:
            self._values.sort(key=float)

    def suggest(self, trial: optuna.Trial) -> str:
        """The value for a trial, in the form of an override."""
        if self._bounds is not None:
            start, end = self._bounds
            if isinstance(start, int) and isinstance(end, int):
                return str(trial.suggest_int(self.key, start, end, log=self._log))
            return repr(trial.suggest_float(self.key, float(start), float(end), log=self._log))
        if self._ordered:
            return self._values[trial.suggest_int(self.key, 0, len(self._values) - 1)]
        return str(trial.suggest_categorical(self.key, self._values))

    def parameter(self, value: str) -> Any:
        """Optuna's representation of a value; None if the space does not contain it."""
        if self._bounds is not None:
            start, end = self._bounds
            inside = _is_number(value) and start <= float(value) <= end
            return type(start)(value) if inside else None
        if value not in self._values:
            return None
        return self._values.index(value) if self._ordered else value


def tune(sweep: Sweep, overrides: Sequence[Override], tuning: Tuning) -> None:
    """Runs trials: first the configuration's own values if the space has them, then values that are likely to be fast.

    Args:
        sweep: launches the trials.
        overrides: overrides of the command line; those with several values define the space.
        tuning: the settings of the search.

    Raises:
        ConfigurationError: Optuna is not installed, or no key has several values.
    """
    try:
        import optuna
    except ImportError:
        said = f"hydra.sweeper.trials={tuning.trials}: needs optuna, which is not installed"
        raise ConfigurationError(f"{said}; pip install 'callring[tune]'") from None
    dimensions = [Dimension(override) for override in overrides if override.is_sweep_override()]
    fixed = [str(override.input_line) for override in overrides if not override.is_sweep_override()]
    if not dimensions:
        raise ConfigurationError(
            f"hydra.sweeper.trials={tuning.trials}: nothing to choose from; give a key several values, for instance "
            "workload.tile_m=16,32,64 or 'workload.tile_m=range(8,129,8)'"
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    first_guesses = max(2, min(10, tuning.trials // 3))
    sampler = optuna.samplers.TPESampler(seed=tuning.seed, n_startup_trials=first_guesses)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    default = _default(sweep, fixed, dimensions)
    if default:
        study.enqueue_trial(default)
    measured: dict[tuple[str, ...], float | None] = {}
    for begin in range(0, tuning.trials, tuning.max_batch_size):
        trials = [study.ask() for _ in range(min(tuning.max_batch_size, tuning.trials - begin))]
        points = [(*fixed, *(f"{d.key}={d.suggest(trial)}" for d in dimensions)) for trial in trials]
        # A measured point is not measured again: the sampler gets the earlier figure.
        new = [overrides_of for overrides_of in dict.fromkeys(points) if overrides_of not in measured]
        for point in sweep.launch(new):
            measured[point.overrides] = objective_of(point, tuning.objective)
        for trial, overrides_of in zip(trials, points, strict=True):
            value = measured[overrides_of]
            if value is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, value)


def objective_of(point: Point, objective: str) -> float | None:
    """The objective in seconds; None for a failed point.

    Raises:
        ConfigurationError: the workload has no such callable.
    """
    if point.exit_code:
        return None
    if objective == _WHOLE:
        return point.quartiles[1]
    series: Mapping[str, Sequence[float]] = point.result["measurements"]["execution_seconds"]
    if not series.get(objective):
        known = ", ".join([_WHOLE, *series])
        raise ConfigurationError(f"hydra.sweeper.objective={objective}: not measured; known are {known}")
    return median(series[objective])


def objective_if_known(point: Point, objective: str) -> float | None:
    """Like ``objective_of``, but None if the workload has no such callable."""
    try:
        return objective_of(point, objective)
    except ConfigurationError:
        return None


def best_words(points: Sequence[Point], tuning: Tuning) -> list[str]:
    """The result for people: the fastest point, the first point, and how to compare them."""
    figures = [(objective_of(point, tuning.objective), point) for point in points]
    ended = [(figure, point) for figure, point in figures if figure is not None]
    if not ended:
        return []
    figure, best = min(ended, key=lambda pair: pair[0])
    words = [f"{'fastest':<12}{duration(figure)} (job {best.number}): {' '.join(best.overrides)}"]
    if figures[0][0] is not None and best is not points[0]:
        words.append(f"{'first':<12}{duration(figures[0][0])} (job 0): {' '.join(points[0].overrides)}")
        words.append(
            f"{'':<12}the fastest of many looks faster than it is: measure both again, with workload.repeat and compare"
        )
    return words


def _default(sweep: Sweep, fixed: Sequence[str], dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """The configuration's own values of the parameters; empty if the space does not contain them all."""
    config = sweep.compose(fixed)
    default = {}
    for dimension in dimensions:
        key = dimension.key.lstrip("+")
        value = OmegaConf.select(config, key)
        choice = config.hydra.runtime.choices.get(key)
        default[dimension.key] = dimension.parameter(str(choice if choice is not None else value))
    return {} if any(parameter is None for parameter in default.values()) else default


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
