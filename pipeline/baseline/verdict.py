"""The effect of a comparison on the run or sweep: its result, exit code and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pipeline.baseline.comparison import Comparison, compare_runs, slower_than, write_comparison
from pipeline.baseline.earlier import load_earlier, measured_of
from pipeline.exit_codes import CONFIGURATION, OK, SLOWER
from pipeline.report.result import STATUS


def compare_result(document: Mapping[str, Any], path: str, threshold: float, out: TextIO | None) -> dict[str, Any]:
    """A run's result document with its ``comparison``; if the run is too slow, also with exit code, status and error.

    Args:
        document: the result of a run that has ended; a failed run is not compared.
        path: the value of ``compare``.
        threshold: the value of ``compare_threshold``.
        out: stream for the comparison; None writes nothing.

    Raises ConfigurationError like load_earlier.
    """
    run = measured_of(document, "this run")
    if run is None:
        return dict(document)
    earlier = load_earlier(path)
    (comparison,) = compare_runs([run], earlier)
    if comparison is None:
        names = ", ".join(old.name for old in earlier[:3])
        error = (
            f"compare={path}: none of its {len(earlier)} runs has this configuration, or several have it; "
            f"name one ({names} ...)"
        )
        return _with_error(document, CONFIGURATION, error)
    if out is not None:
        write_comparison([("", comparison)], out)
    compared = {**document, "comparison": comparison.document()}
    if slower_than([comparison], threshold):
        return _with_error(compared, SLOWER, _too_slow("the run", comparison, threshold))
    return compared


def _with_error(document: Mapping[str, Any], code: int, error: str) -> dict[str, Any]:
    return {**document, "exit_code": code, "status": STATUS[code], "error": error}


def _too_slow(what: str, comparison: Comparison, threshold: float) -> str:
    ratio = comparison.ratio
    return (
        f"{what} takes {ratio.ratio:.3f} times ({ratio.low:.3f} to {ratio.high:.3f}) as long as "
        f"{comparison.earlier.name}, more than compare_threshold={threshold:g}"
    )


def compare_sweep(
    documents: Sequence[tuple[str, Mapping[str, Any]]], path: str, threshold: float, out: TextIO | None
) -> tuple[int, list[Comparison | None], list[str]]:
    """Compares the points of a sweep.

    Args:
        documents: name and result of every point; the result is empty if there is none.
        path: the value of ``compare``.
        threshold: the value of ``compare_threshold``.
        out: stream for the comparisons; None writes nothing.

    Returns:
        The exit code; the comparison of each point, or None; the lines of the error.
    """
    runs = [measured_of(document, name) if document else None for name, document in documents]
    compared = iter(compare_runs([run for run in runs if run is not None], load_earlier(path)))
    comparisons = [None if run is None else next(compared) for run in runs]
    named = [(name, c) for (name, _), c in zip(documents, comparisons, strict=True) if c is not None]
    if not named:
        return CONFIGURATION, comparisons, [f"compare={path}: no run there has a counterpart among these points"]
    if out is not None:
        write_comparison(named, out)
        without = [
            name
            for (name, _), run, c in zip(documents, runs, comparisons, strict=True)
            if run is not None and c is None
        ]
        if without:
            out.write(f"{'new':<12}no counterpart in {path}: {'; '.join(without)}\n")
    slow = slower_than(comparisons, threshold)
    words = [_too_slow(name, c, threshold) for name, c in named if any(c is one for one in slow)]
    return SLOWER if slow else OK, comparisons, words
