"""Earlier results are found, matched and compared; results that cannot be compared are refused with a reason."""

import io
import json
import re

import pytest

from pipeline.baseline.comparison import verdict_words
from pipeline.baseline.earlier import load_earlier
from pipeline.baseline.interval import Ratio
from pipeline.baseline.verdict import compare_result, compare_sweep
from runtime.errors import ConfigurationError

STEADY = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.01, 0.99, 1.0]


def document(*, factor=1.0, size=8, chips=1, code=0, runs=STEADY, hashid="a", cpu="one", load=0.1, **workload):
    return {
        "version": 2,
        "exit_code": code,
        "status": "ok",
        "error": None,
        "measurements": {"warm_up": 0, "run_seconds": [factor * x for x in runs], "execution_seconds": {"add": runs}},
        "callables": [{"name": "add", "hashid": f"sha256:{hashid * 64}"}],
        "provenance": {"machine": {"cpu": cpu, "cores": 2, "load_average": load}},
        "configuration": {
            "workload": {"size": size, "repeat": len(runs), **workload},
            "topology": {"name": f"chip{chips}", "chips": chips},
            "output": "json",
        },
    }


def leave(folder, **of):
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(document(**of)))
    return folder


def test_a_result_file_its_run_and_a_sweep_of_that_run_alone_load_as_the_same_run(tmp_path):
    run = leave(tmp_path / "sweep" / "0")
    found = [load_earlier(str(place)) for place in (run / "result.json", run, run.parent)]
    assert found[0] == found[1] == found[2]
    assert found[0][0].run_seconds == STEADY


def test_a_slower_run_exits_with_6_and_reports_by_how_much_and_what_else_differs(tmp_path):
    earlier = leave(tmp_path / "before", hashid="b")
    out = io.StringIO()
    compared = compare_result(document(factor=1.5, tile=4), str(earlier), 1.1, out)
    assert (compared["exit_code"], compared["status"]) == (6, "slower")
    assert "1.500 times" in compared["error"]
    assert "compare_threshold=1.1" in compared["error"]
    (line,) = compared["comparison"]["lines"]
    assert line["ratio"] == pytest.approx(1.5)
    assert 1.4 < line["low"] <= 1.5 <= line["high"] < 1.6
    assert re.search(r"slower by 4\d to 5\d %", out.getvalue())
    assert compared["comparison"]["different"] == {
        "workload.tile": {"old": None, "new": 4},
        "callable add": {"old": "bbbbbbbb", "new": "aaaaaaaa"},
    }


@pytest.mark.parametrize(
    ("factor", "threshold", "verdict"), [(1.5, 2.0, "slower"), (0.5, 1.1, "faster"), (1, 1.1, "same")]
)
def test_a_run_within_the_threshold_succeeds_with_any_verdict(tmp_path, factor, threshold, verdict):
    compared = compare_result(document(factor=factor), str(leave(tmp_path / "before")), threshold, None)
    assert compared["exit_code"] == 0
    assert compared["comparison"]["lines"][0]["verdict"] == verdict


def test_few_measurements_are_no_reason_to_fail_and_the_message_says_what_to_do(tmp_path):
    out = io.StringIO()
    compared = compare_result(document(factor=9, runs=[1.0]), str(leave(tmp_path / "before")), 1.1, out)
    assert compared["exit_code"] == 0
    assert "workload.repeat=20" in out.getvalue()


def test_a_run_that_failed_is_not_compared(tmp_path):
    failed = document(code=4)
    assert compare_result(failed, str(leave(tmp_path / "before")), 1.1, None) == failed


def test_another_machine_is_reported(tmp_path):
    compared = compare_result(document(cpu="two"), str(leave(tmp_path / "before")), 1.1, None)
    assert compared["comparison"]["different"]["machine"] == {"old": "one, 2 cores", "new": "two, 2 cores"}


def test_a_different_machine_load_is_a_warning_even_if_no_difference_is_significant(tmp_path):
    out = io.StringIO()
    compared = compare_result(document(load=4.2), str(leave(tmp_path / "before")), 1.1, out)
    warning = "another load: a load average of 0.1 before, 4.2 now; measure both again"
    assert compared["comparison"]["warnings"] == [warning]
    assert f"warning     {warning}\n" in out.getvalue()
    assert "no significant difference" in out.getvalue()
    assert "another load" not in str(compare_result(document(load=0.6), str(tmp_path / "before"), 1.1, None))


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (Ratio(0.85, 0.82, 0.88), "faster by 12 to 18 %"),
        (Ratio(0.019, 0.018, 0.02), "faster by 98.0 to 98.2 %"),
        (Ratio(1.07, 1.05, 1.09), "slower by 5 to 9 %"),
        (Ratio(1.001, 1.0004, 1.002), "slower by 0.04 to 0.20 %"),
        (Ratio(3.2, 3.1, 3.512), "slower, 3.1 to 3.51 times as long"),
        (Ratio(1.01, 0.98, 1.05), "no significant difference"),
        (Ratio(1.5, None, None), "too few runs to tell"),
    ],
)
def test_a_verdict_is_put_into_words(ratio, words):
    assert verdict_words(ratio) == words


def test_points_are_compared_by_their_swept_values_in_any_order(tmp_path):
    for job, (size, chips) in enumerate([(8, 2), (8, 1), (16, 1), (16, 2)]):
        leave(tmp_path / "before" / str(job), size=size, chips=chips, factor=size * chips, seed=1)
    points = [
        (f"{size} {chips}", document(size=size, chips=chips, factor=size * chips, seed=2))
        for size in (8, 16)
        for chips in (1, 2)
    ]
    out = io.StringIO()
    code, comparisons, errors = compare_sweep(points, str(tmp_path / "before"), 1.1, out)
    assert (code, errors) == (0, [])
    assert [c.ratio.ratio for c in comparisons] == [1.0] * 4
    assert "workload.seed: 1 before, 2 now" in out.getvalue()


def test_a_point_without_a_counterpart_is_new_and_a_failed_one_is_left_out(tmp_path):
    for size in (8, 16):
        leave(tmp_path / "before" / str(size), size=size)
    points = [
        ("8", document(size=8, factor=2)),
        ("32", document(size=32)),
        ("16", document(size=16, code=4)),
        ("-", {}),
    ]
    out = io.StringIO()
    code, comparisons, (error,) = compare_sweep(points, str(tmp_path / "before"), 1.1, out)
    assert code == 6
    assert [c is None for c in comparisons] == [False, True, True, True]
    assert error.startswith("8 takes 2.000 times")
    assert f"no counterpart in {tmp_path / 'before'}: 32\n" in out.getvalue()


def test_a_run_is_compared_with_the_earlier_run_of_its_configuration(tmp_path):
    for size in (8, 16):
        leave(tmp_path / "before" / str(size), size=size)
    compared = compare_result(document(size=16), str(tmp_path / "before"), 1.1, None)
    assert compared["comparison"]["with"] == str(tmp_path / "before" / "16")
    nothing = compare_result(document(size=99), str(tmp_path / "before"), 1.1, None)
    assert nothing["exit_code"] == 1
    assert "none of its 2 runs has this configuration" in nothing["error"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no result.json"),
        ("{", "is no result of a run"),
        ("[]", "is no result of a run"),
        ('{"version": 99}', "measure again"),
        (json.dumps(document(code=4)), "no run there succeeded"),
        (json.dumps(document(runs=[])), "no run there succeeded"),
    ],
)
def test_a_file_that_is_no_earlier_result_is_refused_with_the_key_and_the_path(tmp_path, content, words):
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(ConfigurationError, match=words) as refusal:
        load_earlier(str(tmp_path))
    assert f"compare={tmp_path}" in str(refusal.value)


def test_a_missing_earlier_result_is_refused():
    with pytest.raises(ConfigurationError, match="no such file or directory"):
        load_earlier("/nowhere/at/all")
