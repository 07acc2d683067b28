import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmark.command_line import matching
from tests.benchmark.measure import OURS, SUBMITTED, duration
from tests.benchmark.metg.__main__ import NAMES, main
from tests.benchmark.metg.output import SUB_WORKERS, key, measured_in, rows, section
from tests.benchmark.metg.patterns import graph_of
from tests.benchmark.metg.plot import drawn
from tests.benchmark.metg.search import crossing, metg
from tests.benchmark.page import METG_PICTURE, PAGE
from tests.benchmark.spent import CLOCKS, Spent
from tests.benchmark.table import document


@given(st.floats(0.01, 1e4), st.integers(1, 8), st.integers(0, 6))
def test_with_a_constant_overhead_half_of_all_time_is_work_at_twice_the_overhead(overhead, parts, before):
    kernels = [overhead / parts / 2**before * 2**i for i in range(16)]
    found = crossing([(kernel, kernel + overhead) for kernel in kernels])
    assert found == pytest.approx(2 * overhead) if kernels[0] < overhead else found >= 2 * overhead


def test_the_first_task_is_given_if_half_of_it_is_work_and_none_if_half_is_never_reached():
    assert crossing([(4, 5), (8, 9)]) == 5
    assert crossing([(1, 3), (2, 5), (4, 9)]) is None
    assert crossing([]) is None


class Simulated:
    """Executes nothing: a task costs so many microseconds beside its kernel, of which an iteration is one."""

    fewer_steps = 2

    def __init__(self, cpu, wall):
        self.overheads = (cpu, wall)
        self.measured = []

    def prepare(self, graph):
        self.tasks = len(graph)

    def measure(self, iterations, repeats):
        self.measured.append(iterations)
        cpu, wall = (self.tasks * repeats * (iterations + each) / 1e6 for each in self.overheads)
        return Spent(wall, cpu)


def searched(**contenders):
    return metg(contenders, lambda fewer: graph_of("no_comm", 4, 8 // fewer), 1, lambda: 1.0, rounds=2, least_s=0.001)


def test_the_search_finds_each_contender_s_smallest_task_by_both_clocks_in_every_round():
    found = searched(quick=Simulated(16, 32), slow=Simulated(1024, 4096))
    assert found["cpu"] == {"quick": [32, 32], "slow": [2048, 2048]}
    assert found["wall"] == {"quick": [64, 64], "slow": [8192, 8192]}


def test_the_search_gives_up_by_the_clock_where_no_task_is_long_enough():
    stuck = Simulated(16, 1e6)
    assert searched(stuck=stuck) == {"cpu": {"stuck": [32, 32]}, "wall": {"stuck": []}}
    assert max(stuck.measured) <= 32 * 16


def test_rows_are_read_back_from_json_and_from_the_tables_of_a_page():
    found = {"cpu": {OURS: [1.0, 3.0, 2.0], "peer": [1500.0]}, "wall": {OURS: [4.0], "peer": []}}
    made = rows("tree", 8, found)
    assert [key(row) for row in made] == [(clock, "tree", 8) for clock in CLOCKS]
    results = {**document(made, "command"), "left_out": ["Ray, which is not installed"]}
    page = section(results)
    assert "| tree | 8 | 2 | 1,500 |" in page
    assert "| tree | 8 | 4 | none |" in page
    assert "Left out: Ray, which is not installed." in page
    read = {row.name: row.figures for row in measured_in(page)}
    assert read == {made[0].name: {OURS: [2.0], "peer": [1500.0]}, made[1].name: {OURS: [4.0]}}
    assert drawn(measured_in(page)).count("<circle") == 3 + 2
    with pytest.raises(ValueError, match="nothing to draw"):
        drawn(rows("tree", 8, {"cpu": {}, "wall": {}}))
    with pytest.raises(ValueError, match="no row of METG"):
        key(duration("another", "us"))


def test_the_picture_of_the_page_shows_the_medians_of_its_tables():
    measured = measured_in(PAGE.read_text())
    assert METG_PICTURE.exists() == bool(measured)
    assert not measured or METG_PICTURE.read_text() == drawn(measured)


def test_contenders_are_chosen_by_parts_of_their_names():
    assert matching("contender", ["callring", "TBB"], NAMES) == [OURS, SUBMITTED, SUB_WORKERS, "oneTBB flow graph"]
    assert matching("contender", [], NAMES) == list(NAMES)
    with pytest.raises(ValueError, match="no contender named 'star'; there are callring; "):
        matching("contender", ["star"], NAMES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workers", "0"], "argument --workers: invalid positive value: '0'"),
        (["--rounds", "-1"], "argument --rounds: invalid positive value: '-1'"),
        (["--width", "3"], "the width is 3, and must be a power of two"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_anything_is_built(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["metg", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert said in capsys.readouterr().err
