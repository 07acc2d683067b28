"""A sweep's tables and curves handle any values."""

import csv
import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.report.plot.axis import figure_axis, parameter_axis
from pipeline.report.plot.lines import Chart, Curve, Mark, line_chart
from pipeline.sweep.points import Point, swept_keys
from pipeline.sweep.tables import same_columns, write_csv, write_parquet

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=8)
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False), st.text(max_size=5)
)
NUMBERS = st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=20, unique=True)


@given(st.lists(st.dictionaries(NAMES, CELLS, min_size=1), min_size=1, max_size=5))
def test_rows_get_equal_columns_of_one_type_and_lose_nothing(rows):
    table = same_columns(rows)
    assert len({tuple(row) for row in table}) == 1
    for name in table[0]:
        assert len({type(row[name]) for row in table if row[name] is not None}) <= 1
    for row, made in zip(rows, table, strict=True):
        for name, value in row.items():
            assert made[name] == value or made[name] in (str(value), float(value))
        assert all(made[name] is None for name in made.keys() - row.keys())


@settings(max_examples=20)
@given(
    st.lists(
        st.fixed_dictionaries({name: st.one_of(st.none(), st.text("ab,'\"\n ", max_size=4)) for name in ("a", 'b"c')}),
        min_size=1,
        max_size=4,
    )
)
def test_csv_and_parquet_give_back_what_was_written(tmp_path_factory, rows):
    duckdb = pytest.importorskip("duckdb", reason="duckdb (the sweep extra) is not installed")
    folder = tmp_path_factory.mktemp("it's")
    write_csv(folder / "results.csv", rows)
    with (folder / "results.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{k: v or "" for k, v in row.items()} for row in rows]
    assert write_parquet(folder / "results.parquet", rows) is None
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(folder / "results.parquet")]).fetchall()
    assert found == [tuple(row.values()) for row in rows]
    assert sorted(path.name for path in folder.iterdir()) == ["results.csv", "results.parquet"]


@given(NUMBERS)
def test_a_parameter_axis_holds_its_values_in_order_between_its_ends(values):
    values = sorted(values)
    axis = parameter_axis("size", values, [f"{value:g}" for value in values])
    places = [axis.place(value) for value in values]
    assert all(0 <= place <= 1 for place in places)
    assert places == sorted(places)
    assert {values[0], values[-1]} <= {value for value, _ in axis.ticks}
    assert 1 <= len(axis.ticks) <= 10


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e6)), min_size=1, max_size=20))
def test_a_figure_axis_holds_its_values_and_has_a_few_ticks(values):
    axis = figure_axis("seconds", values, str)
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value in values)
    assert axis.logarithmic == (min(values) > 0 and max(values) / min(values) >= 20)
    ticks = [value for value, _ in axis.ticks]
    assert ticks == sorted(ticks)
    assert all(axis.low <= tick <= axis.high * (1 + 1e-9) for tick in ticks)
    assert axis.logarithmic or 2 <= len(ticks) <= 12


@given(st.text(st.characters(codec="utf-8", categories=["L", "P", "S", "Zs"])), NUMBERS)
def test_a_chart_of_any_name_is_well_formed_and_has_a_mark_for_each_point(name, values):
    marks = [Mark(float(i), y, y / 2, y * 2, name) for i, y in enumerate(values)]
    x = parameter_axis(name, [mark.x for mark in marks], [name] * len(marks))
    y = figure_axis(name, [v for mark in marks for v in (mark.low, mark.high)], str)
    drawing = ET.fromstring(line_chart(Chart(name, x, y, [Curve(name, marks), Curve("others", marks, quiet=True)])))
    circles = drawing.findall("circle")
    assert [circle.findtext("title") or "" for circle in circles] == [name] * len(values)
    assert all(math.isfinite(float(circle.get("cy"))) and 0 <= float(circle.get("cy")) <= 340 for circle in circles)


def test_swept_keys_are_those_whose_values_differ():
    sizes, chips = (1, 2), ("chip1", "chip2")
    points = [
        Point(("workload=vector_add", f"workload.size={size}", f"+topology={chip}", f"hydra.job.name={size}"))
        for size, chip in itertools.product(sizes, chips)
    ]
    assert swept_keys(points) == ["workload.size", "topology"]
    assert swept_keys(points[:1]) == []
