"""Compares new runs with earlier ones: ratios with intervals, and the other differences between the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.baseline.earlier import Measured, counterpart, differing_keys
from pipeline.baseline.interval import LEAST_RUNS, Ratio, ratio_of_medians
from pipeline.common.counts import duration
from pipeline.terminal.columns import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable

_ERROR_RATE = 0.01
"""Probability that an unchanged figure is reported as slower or faster, over all comparisons of one command."""
_WHOLE = "run"
_TIMES = 2.0
"""From this ratio on, a verdict states how many times as long a run takes, instead of a percentage."""
_OTHER_LOAD = 0.25
"""Difference in load average per core from which two machines do not count as equally busy."""
_NOT_THE_WORK = ("workload.repeat", "workload.warm_up")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of the earlier and the new run; durations are seconds."""

    what: str
    """``"run"`` for the whole run, else the callable whose tasks' execution is compared."""
    old: float
    new: float
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class Comparison:
    """One new run compared with an earlier one."""

    run: Measured
    earlier: Measured
    lines: Sequence[Line]
    """The compared figures; the whole run is the first."""
    different: Mapping[str, tuple[Any, Any]]
    """The differences with both values: keys of the configuration, callables, the machine."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Differences of the machine that may explain the figures; no interval accounts for them."""
        found = []
        if self.earlier.machine != self.run.machine:
            found.append(f"another machine: {self.earlier.machine} before, {self.run.machine} now")
        before, now = self.earlier.load_average, self.run.load_average
        if before is None or now is None:
            found += ["the load of the machine was not recorded before"] if now is not None else []
        elif abs(before - now) > _OTHER_LOAD * (self.run.cores + 1):
            found.append(f"another load: a load average of {before:.1f} before, {now:.1f} now; measure both again")
        return tuple(found)

    @property
    def ratio(self) -> Ratio:
        """The ratio of the whole run."""
        return self.lines[0].ratio

    def document(self) -> dict[str, Any]:
        """The value of ``comparison`` in result.json."""
        return {
            "with": self.earlier.name,
            "lines": [
                {
                    "what": line.what,
                    "old_seconds": line.old,
                    "new_seconds": line.new,
                    "ratio": line.ratio.ratio,
                    "low": line.ratio.low,
                    "high": line.ratio.high,
                    "verdict": line.ratio.verdict,
                    "words": verdict_words(line.ratio),
                }
                for line in self.lines
            ],
            "warnings": list(self.warnings),
            "different": {key: {"old": old, "new": new} for key, (old, new) in self.different.items()},
        }


def compare_runs(runs: Sequence[Measured], earlier: Sequence[Measured]) -> list[Comparison | None]:
    """Compares each new run with its counterpart; None where there is none.

    The intervals of all lines hold together with a confidence of 99 %: the more there are, the wider each is.
    """
    swept = [key for key in differing_keys(runs) if key not in _NOT_THE_WORK]
    pairs = [(run, counterpart(run, swept, earlier)) for run in runs]
    count = sum(1 + len(_common(run, old)) for run, old in pairs if old is not None)
    confidence = 1 - _ERROR_RATE / max(1, count)
    return [None if old is None else _compare(run, old, confidence) for run, old in pairs]


def _common(run: Measured, old: Measured) -> list[str]:
    """Callables that both runs measured; none if there is only one, whose tasks are the whole run."""
    both = [name for name, series in run.execution_seconds.items() if series and old.execution_seconds.get(name)]
    return both if len(run.execution_seconds) > 1 else []


def _compare(run: Measured, old: Measured, confidence: float) -> Comparison:
    series = [(_WHOLE, old.run_seconds, run.run_seconds)]
    series += [(name, old.execution_seconds[name], run.execution_seconds[name]) for name in _common(run, old)]
    lines = [
        Line(what, _median(before), _median(now), ratio_of_medians(before, now, confidence))
        for what, before, now in series
    ]
    different = {
        key: (old.configuration.get(key), run.configuration.get(key))
        for key in differing_keys([old, run])
        if key not in _NOT_THE_WORK
    }
    for name in sorted({*old.hashids, *run.hashids}):
        pair = old.hashids.get(name), run.hashids.get(name)
        if pair[0] != pair[1]:
            different[f"callable {name}"] = (_short(pair[0]), _short(pair[1]))
    if old.machine != run.machine:
        different["machine"] = (old.machine, run.machine)
    return Comparison(run, old, lines, different)


def _median(series: Sequence[float]) -> float:
    ordered = sorted(series)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _short(hashid: str | None) -> str | None:
    return hashid and hashid.removeprefix("sha256:")[:8]


def write_comparison(named: Iterable[tuple[str, Comparison]], out: TextIO) -> None:
    """Writes a line for each figure of each comparison, then the other differences, then the missing counterparts.

    Args:
        named: comparisons with the names of their runs; the name is empty for a single run.
        out: the stream.
    """
    compared = list(named)
    rows: list[Sequence[str]] = [("compared", "what", "before", "now", "ratio", "interval", "verdict")]
    for name, comparison in compared:
        for line in comparison.lines:
            rows.append((name, line.what, duration(line.old), duration(line.new), *ratio_words(line.ratio)))
    out.writelines(f"{line}\n" for line in aligned(rows, 2))
    common = set.intersection(*({(k, *map(str, v)) for k, v in c.different.items()} for _, c in compared))
    for key, old, new in sorted(common):
        out.write(f"{'different':<12}{key}: {old} before, {new} now\n")
    for warning in dict.fromkeys(words for _, comparison in compared for words in comparison.warnings):
        out.write(f"{'warning':<12}{warning}\n")
    if any(comparison.ratio.verdict == "unknown" for _, comparison in compared):
        out.write(
            f"{'unknown':<12}fewer than {LEAST_RUNS} measured runs on a side do not show the noise: "
            "use workload.repeat=20 for both\n"
        )


def ratio_words(ratio: Ratio) -> tuple[str, str, str]:
    """A ratio, its interval and the verdict, for people."""
    interval = "-" if ratio.low is None or ratio.high is None else f"{ratio.low:.3f} to {ratio.high:.3f}"
    return (
        f"{ratio.ratio:.3f}",
        interval,
        verdict_words(ratio),
    )


def verdict_words(ratio: Ratio) -> str:
    """``"slower by 5 to 9 %"``, ``"faster by 12 to 18 %"``, ``"no significant difference"``, or why there is no
    verdict.

    Percentages are of the earlier time: a run that takes half as long is faster by 50 %.
    """
    if ratio.low is None or ratio.high is None:
        return "too few runs to tell"
    if ratio.verdict == "slower":
        if ratio.low >= _TIMES:
            return f"slower, {ratio.low:.3g} to {ratio.high:.3g} times as long"
        return f"slower by {_percent(ratio.low - 1, ratio.high - 1)}"
    if ratio.verdict == "faster":
        return f"faster by {_percent(1 - ratio.high, 1 - ratio.low)}"
    return "no significant difference"


def _percent(low: float, high: float) -> str:
    """A range of shares, with enough digits to distinguish its ends from each other and from 0."""
    for digits in range(3):
        ends = [f"{100 * end:.{digits}f}" for end in (low, high)]
        if float(ends[0]) > 0 and ends[0] != ends[1]:
            break
    return f"{ends[0]} to {ends[1]} %" if ends[0] != ends[1] else f"{ends[0]} %"


def slower_than(comparisons: Iterable[Comparison | None], threshold: float) -> list[Comparison]:
    """The comparisons whose whole run surely takes more than ``threshold`` times as long as before."""
    return [c for c in comparisons if c is not None and c.ratio.surely_above(threshold)]
