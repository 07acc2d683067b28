import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmark.metg.patterns import PATTERNS, RADIX, columns_of, graph_of, levels, nearest

names = st.sampled_from(list(PATTERNS))
widths = st.integers(1, 6).map(lambda power: 1 << power)
wide = st.integers(3, 6).map(lambda power: 1 << power)
steps = st.integers(1, 40)


def needed(name, step, column, width):
    return set(PATTERNS[name](step, column, width))


@given(names, widths, steps)
def test_a_dependency_is_a_task_of_the_step_before(name, width, step):
    before = set(columns_of(name, step - 1, width))
    for column in columns_of(name, step, width):
        columns = PATTERNS[name](step, column, width)
        assert set(columns) <= before
        assert list(columns) == sorted(set(columns))


@given(names, widths, steps)
def test_a_graph_lists_tasks_before_those_that_depend_on_them(name, width, count):
    graph = graph_of(name, width, count)
    assert len(graph) == sum(len(columns_of(name, step, width)) for step in range(count))
    assert all(task < number for number, inputs in enumerate(graph.inputs) for task in inputs)


@given(widths, steps)
def test_trivial_has_no_dependencies_and_no_comm_its_own_column(width, step):
    for column in range(width):
        assert needed("trivial", step, column, width) == set()
        assert needed("no_comm", step, column, width) == {column}


@given(wide, steps)
def test_a_periodic_stencil_is_symmetric_and_the_same_in_every_column(width, step):
    for column in range(width):
        columns = needed("stencil_1d", step, column, width)
        assert len(columns) == 3
        assert {(other - column) % width for other in columns} == {0, 1, width - 1}
        assert all(column in needed("stencil_1d", step, other, width) for other in columns)


@given(wide, steps)
def test_dom_sweeps_from_left_to_right(width, step):
    assert needed("dom", step, 0, width) == {0}
    assert all(needed("dom", step, column, width) == {column - 1, column} for column in range(1, width))


@given(wide)
def test_a_tree_reaches_all_columns_after_the_logarithm_of_the_width_and_returns_to_one(width):
    top = levels(width)
    counts = [len(columns_of("tree", step, width)) for step in range(2 * top + 1)]
    assert counts == [1 << min(step, 2 * top - step) for step in range(2 * top + 1)]


@given(wide, steps)
def test_a_task_of_a_tree_has_one_parent_or_two_children(width, step):
    growing = 1 <= step % (2 * levels(width)) <= levels(width)
    used = [other for column in columns_of("tree", step, width) for other in needed("tree", step, column, width)]
    assert set(used) == set(columns_of("tree", step - 1, width))
    assert len(used) == (len(columns_of("tree", step, width)) if growing else len(set(used)))
    for column in columns_of("tree", step, width):
        assert len(needed("tree", step, column, width)) == (1 if growing else 2)


@given(wide)
def test_fft_brings_every_column_to_every_other_in_the_logarithm_of_the_width(width):
    reached = {column: {column} for column in range(width)}
    for step in range(1, levels(width) + 1):
        reached = {
            column: set().union(*(reached[other] for other in needed("fft", step, column, width)))
            for column in range(width)
        }
    assert all(columns == set(range(width)) for columns in reached.values())


@given(wide, steps)
def test_a_dependency_of_fft_is_at_a_distance_of_a_power_of_two_and_mutual(width, step):
    distance = 1 << (step - 1) % levels(width)
    for column in range(width):
        columns = needed("fft", step, column, width)
        assert columns == {c for c in (column - distance, column, column + distance) if 0 <= c < width}
        assert all(column in needed("fft", step, other, width) for other in columns)


@given(widths, steps)
def test_all_to_all_is_complete(width, step):
    assert all(needed("all_to_all", step, column, width) == set(range(width)) for column in range(width))


@given(wide, steps)
def test_nearest_is_a_symmetric_window(width, step):
    for column in range(width):
        columns = needed("nearest", step, column, width)
        assert columns == {other for other in range(width) if abs(other - column) <= RADIX // 2}


@given(wide, steps)
def test_spread_is_as_wide_as_possible_in_every_column_and_moves(width, step):
    for column in range(width):
        columns = sorted(needed("spread", step, column, width))
        assert len(columns) == RADIX
        gaps = [(right - left) % width for left, right in zip(columns, columns[1:] + columns[:1], strict=True)]
        assert max(gaps) - min(gaps) <= 1
        assert needed("spread", step + 1, column, width) == {(other + 1) % width for other in columns}


@given(wide, steps)
def test_random_nearest_is_a_part_of_nearest_and_always_the_same(width, step):
    for column in range(width):
        columns = needed("random_nearest", step, column, width)
        assert columns <= set(nearest(step, column, width))
        assert columns == needed("random_nearest", step, column, width)


def test_random_nearest_has_about_half_of_nearest():
    graph, whole = (graph_of(name, 64, 40) for name in ("random_nearest", "nearest"))
    share = sum(map(len, graph.inputs)) / sum(map(len, whole.inputs))
    assert 0.45 < share < 0.55


@given(names, widths, steps)
def test_the_depth_of_a_task_is_its_step_unless_its_chain_was_cut(name, width, count):
    graph = graph_of(name, width, count)
    tasks = iter(graph.depths())
    for step in range(count):
        for _ in columns_of(name, step, width):
            depth = next(tasks)
            assert depth == 1 if name == "trivial" else depth <= step + 1
            assert name in ("trivial", "random_nearest") or depth == step + 1


@pytest.mark.parametrize("width", [0, 1, 6])
def test_a_width_that_is_no_power_of_two_is_refused(width):
    with pytest.raises(ValueError, match=f"the width is {width}, and must be a power of two"):
        graph_of("fft", width, 2)
