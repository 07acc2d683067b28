import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import Tag
from tests.benchmark.applications.__main__ import main
from tests.benchmark.applications.kernels import TAGS
from tests.benchmark.applications.measured import WrongResult, measured
from tests.benchmark.applications.output import ALONE, CONTIGUOUS, NUMPY, OPENMP, VIEWS, efficiency, key, rows, section
from tests.benchmark.applications.program import grid_of
from tests.benchmark.applications.stencil import Stencil
from tests.benchmark.applications.tiled import Cholesky, Matmul
from tests.benchmark.measure import OURS, duration
from tests.benchmark.metg.output import measured_in
from tests.benchmark.plot import bars_of
from tests.benchmark.spent import Spent
from tests.benchmark.table import document

APPLICATIONS = {
    "Cholesky": (Cholesky(20), 4),
    "matmul": (Matmul(12), 4),
    "stencil on one worker": (Stencil(12, 3), 1),
    "stencil on six workers": (Stencil(12, 4), 6),
}
"""Applications with the extent of a tile, or the number of workers."""
every = pytest.mark.parametrize("name", APPLICATIONS)
both_layouts = pytest.mark.parametrize("views", [False, True], ids=[CONTIGUOUS, VIEWS])


class Executed:
    """Executes the tasks of a program one after the other, with NumPy instead of our kernels."""

    def prepare(self, program):
        self.program = program

    def measure(self):
        self.buffers = [buffer.copy() for buffer in self.program.buffers]
        for task in self.program.tasks:
            getattr(self, task.kernel)(*(piece.of(self.buffers[piece.buffer]) for piece in task.pieces))
        return Spent(1, 2)

    def results(self):
        return [self.buffers[number] for number in self.program.results]

    def multiply(self, a, b, c):
        c += a @ b

    def potrf(self, a):
        a[...] = np.linalg.cholesky(a).T

    def trsm(self, u, x):
        x[...] = np.linalg.solve(u.T, x)

    def syrk(self, a, c):
        c -= a.T @ a

    def gemm(self, a, b, c):
        c -= a.T @ b

    def stencil(self, old, new):
        new[...] = (old[:-2, 1:-1] + old[2:, 1:-1] + old[1:-1, :-2] + old[1:-1, 2:]) / 4

    def stencil_with_halos(self, old, new, *halos):
        self.stencil(old, new)
        for halo, edge in zip(halos, (new[:1], new[-1:], new[:, :1], new[:, -1:]), strict=True):
            halo[...] = edge


@every
@both_layouts
def test_the_tasks_of_a_program_compute_what_numpy_computes(name, views):
    application, parts = APPLICATIONS[name]
    program = application.program(parts, views)
    found = measured(application, program, {"executed": Executed()}, rounds=2)
    assert found == {"executed": [Spent(1, 2)] * 2}


class Forgetful(Executed):
    """Leaves out one task."""

    def prepare(self, program):
        super().prepare(program)
        self.stencil_with_halos = lambda *_: None


def test_a_wrong_result_is_an_error_that_says_whose_it_is_and_where():
    stencil = Stencil(8, 1)
    with pytest.raises(
        WrongResult, match=r"stencil 8, 1 iterations by forgetful: 64 wrong numbers, the first in row 1, c"
    ):
        measured(stencil, stencil.program(2, views=False), {"forgetful": Forgetful()}, rounds=1)


def touched(program, task, tags):
    """The numbers of all buffers that a task touches with these tags."""
    found = set()
    for piece, tag in zip(task.pieces, TAGS[task.kernel], strict=True):
        if tag in tags:
            shape = program.buffers[piece.buffer].shape
            numbers = piece.of(np.arange(shape[0] * shape[1]).reshape(shape))
            found |= {(piece.buffer, number) for number in numbers.flat}
            if task.kernel.startswith("stencil") and tag is Tag.INPUT:  # whose kernel does not read the corners
                found -= {(piece.buffer, numbers[corner]) for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1))}
    return found


@every
@both_layouts
def test_the_tiles_in_openmp_s_depend_clauses_order_all_tasks_that_touch_the_same_numbers(name, views):
    application, parts = APPLICATIONS[name]
    program = application.program(parts, views)
    writes = [touched(program, task, (Tag.OUTPUT, Tag.INOUT)) for task in program.tasks]
    reads = [touched(program, task, (Tag.INPUT, Tag.INOUT)) for task in program.tasks]
    before = []  # for each task those that end before it begins
    for i, task in enumerate(program.tasks):
        before.append(set())
        for j, other in enumerate(program.tasks[:i]):
            if task.makes in (other.makes, *other.needs) or other.makes in task.needs:
                before[i] |= {j} | before[j]
        for j in range(i):
            if writes[j] & (writes[i] | reads[i]) or reads[j] & writes[i]:
                assert j in before[i]


@given(st.integers(1, 500))
def test_a_grid_has_a_place_for_every_worker_and_is_no_wider_than_high(workers):
    rows_of_grid, columns = grid_of(workers)
    assert rows_of_grid * columns == workers
    assert rows_of_grid >= columns
    assert (grid_of(8), grid_of(9), grid_of(7)) == ((4, 2), (3, 3), (7, 1))


def test_rows_are_read_back_from_json_as_tables_with_efficiencies_and_a_comparison_of_the_layouts():
    both = []
    for layout, alone, ours in ((CONTIGUOUS, 1.0, 1.25), (VIEWS, 2.0, 5.0)):
        found = {ALONE: [Spent(alone, alone)], OURS: [Spent(ours, ours)] * 3, NUMPY: [Spent(0.5, 1)]}
        both += rows("Cholesky 64, tiles of 16", layout, 2, found)
    assert [key(row)[1:] for row in both[:2]] == [(CONTIGUOUS, 2, "cpu"), (CONTIGUOUS, 2, "wall")]
    assert [efficiency(both[0], name, 8) for name in (OURS, ALONE, NUMPY, OPENMP)] == [0.8, None, None, None]
    assert (efficiency(both[1], OURS, 8), efficiency(both[1], OURS, 1)) == (0.4, 0.8)
    results = {**document(both, "command"), "left_out": ["OpenMP tasks, which needs a compiler with OpenMP"]}
    results["machine_info"]["cpu"]["count"] = 2
    page = section(results)
    assert "| Cholesky 64, tiles of 16 | contiguous | 2 | 1,000 | 1,250 (80%) | 1,000 |" in page
    assert "| Cholesky 64, tiles of 16 | 2-D views | 2 | 2,000 | 5,000 (20%) | 500 |" in page
    assert "| Cholesky 64, tiles of 16 | 2 | 2 | 2 |" in page
    assert "Left out: OpenMP tasks, which needs a compiler with OpenMP." in page
    assert (bars_of(page), measured_in(page)) == ([], [])
    with pytest.raises(ValueError, match="no row of the applications"):
        key(duration("another", "ms"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rounds", "0"], "argument --rounds: invalid positive value: '0'"),
        (["--tiles", "24"], "a tile has 24 rows, and must have a multiple of 16"),
        (["--sizes", "1000", "--tiles", "64"], "tiles of 64 do not divide a matrix of 1000"),
        (["--workers", "6"], "the blocks of 6 workers, 3 by 2, do not divide a grid of 512"),
        (["--contenders", "star"], "no contender named 'star'; there are kernels alone; callring; "),
    ],
)
def test_sizes_that_cannot_be_are_refused_before_anything_is_built(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["applications", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert said in capsys.readouterr().err
