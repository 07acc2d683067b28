"""Numbers and times as text: equal digits, units, plurals."""

import pytest

from pipeline.common.counts import count_of, duration, whole_seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (0.0, "0 ns"),
        (1.5e-8, "15.0 ns"),
        (9.996e-7, "1.00 us"),
        (0.01234, "12.3 ms"),
        (0.1234, "123 ms"),
        (1.0, "1.00 s"),
        (61.0, "61.0 s"),
        (12345.0, "12,345 s"),
    ],
)
def test_durations_have_three_digits_and_a_unit(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.0, "59 min 59 s"), (3600.0, "1 h 0 min")],
)
def test_an_elapsed_time_has_whole_seconds(seconds, said):
    assert whole_seconds(seconds) == said


def test_one_thing_is_no_plural_and_many_have_separators():
    said = [count_of(number, "chip") for number in (0, 1, 2, 10_000)]
    assert said == ["0 chips", "1 chip", "2 chips", "10,000 chips"]
    assert count_of(2, "process", "processes") == "2 processes"
