"""The programs run on chips and sub-workers and verify their results; wrong results fail."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.workloads.digits import CLASSES, PIXELS
from pipeline.workloads.matmul import Matmul
from pipeline.workloads.mlp_digits import MlpDigits
from pipeline.workloads.vector_add import VectorAdd
from runtime import Worker, WorkerOptions

CLASSIFY = "pipeline.workloads.classify:classify"


@pytest.fixture(scope="module", params=[(1, 0), (3, 0), (3, 1), (8, 2)], ids="{0[0]} chips, {0[1]} sub-workers".format)
def worker(request):
    chips, sub_workers = request.param
    options = WorkerOptions(cores_per_chip=2, trace=True)
    with Worker(level=3, chips=chips, sub_workers=sub_workers, platform="a2a3sim", options=options) as worker:
        yield worker


@pytest.fixture
def run(worker, callables):
    """Runs a program on the worker and returns (its verification, the role of each task's callable, the program)."""

    def run(program, settings, spoil=lambda workload: None, **names):
        workload = program(settings, tuple(worker.chip_ids), worker.sub_workers)
        handles = {role: worker.register(callables[name]) for role, name in names.items()}
        if worker.sub_workers and program.python_callables:
            handles["classify"] = worker.register(CLASSIFY)
        worker.trace()
        workload.prepare(worker)
        worker.run(lambda o: workload.orchestrate(o, handles))
        roles = {handle.hashid: role for role, handle in handles.items()}
        tasks = [roles[span.hashid] for span in worker.trace().tasks]
        spoil(workload)
        verification = workload.verify()
        for handle in handles.values():
            worker.unregister(handle)
        return verification, tasks, workload

    return run


@pytest.mark.parametrize("kernel", ["vector_add", "vector_add_unrolled"])
@pytest.mark.parametrize("size", [1, 2, 5, 1000, 12345])
def test_vector_add_is_exact_for_sizes_below_and_above_the_number_of_chips(run, worker, size, kernel):
    verification, tasks, _ = run(VectorAdd, {"size": size}, add=kernel)
    assert verification.passed, verification.message
    assert verification.figures == {"elements": size, "max_abs_error": 0.0}
    assert len(tasks) == min(size, len(worker.chip_ids))


@pytest.mark.parametrize(
    "settings",
    [
        {"m": 1, "n": 1, "k": 1},
        {"m": 100, "n": 37, "k": 65, "tile_m": 16, "tile_n": 24, "tile_k": 32},
        {"m": 97, "n": 130, "k": 200, "tile_m": 7},
    ],
)
def test_matmul_is_within_its_error_bound_for_shapes_that_no_tile_divides(run, worker, settings):
    verification, tasks, _ = run(Matmul, settings, matmul="matmul")
    assert verification.passed, verification.message
    assert verification.figures["operations"] == 2 * settings["m"] * settings["n"] * settings["k"]
    assert len(tasks) == min(-(-settings["m"] // settings.get("tile_m", 64)), len(worker.chip_ids))


@pytest.mark.parametrize("batch", [32, 450, 999])
def test_mlp_digits_reads_the_held_out_digits(run, worker, batch):
    verification, tasks, _ = run(MlpDigits, {"batch": batch}, shard="mlp_shard", join="join_partials")
    assert verification.passed, verification.message
    assert verification.figures["accuracy"] >= 0.97
    assert verification.figures["samples"] == 450
    assert verification.figures["classified_by"] == ("sub-workers" if worker.sub_workers else "parent")
    chips, rounds = len(worker.chip_ids), -(-450 // batch)
    assert tasks.count("shard") == chips * rounds
    assert tasks.count("join") == (chips - 1) * rounds
    assert tasks.count("classify") == (rounds if worker.sub_workers else 0)


@pytest.mark.parametrize("hidden", [1, 5, 13])
def test_mlp_digits_takes_layers_that_the_chips_do_not_divide(run, worker, tmp_path, hidden):
    random = np.random.default_rng(hidden)
    path = Path(tmp_path) / "weights.npz"
    shapes = {"w1": (PIXELS, hidden), "b1": (hidden,), "w2": (hidden, CLASSES), "b2": (CLASSES,)}
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(path, **weights, heldout=np.arange(50, dtype=np.int64))
    settings = {"weights": str(path), "min_accuracy": 0.0}
    verification, _, _ = run(MlpDigits, settings, shard="mlp_shard", join="join_partials")
    assert verification.passed, verification.message
    assert verification.figures["shards"] == min(hidden, len(worker.chip_ids))


def test_orchestrating_again_repeats_the_same_work(run, worker, callables):
    workload = MlpDigits({}, tuple(worker.chip_ids), worker.sub_workers)
    handles = {"shard": worker.register(callables["mlp_shard"]), "join": worker.register(callables["join_partials"])}
    if worker.sub_workers:
        handles["classify"] = worker.register(CLASSIFY)
    workload.prepare(worker)
    for _ in range(3):
        worker.run(lambda o: workload.orchestrate(o, handles))
    assert workload.verify().passed


def test_a_wrong_sum_is_found_and_its_place_named(run):
    def spoil(workload):
        workload._out.numpy()[7] += 2.0

    verification, _, _ = run(VectorAdd, {"size": 100}, spoil, add="vector_add")
    assert not verification.passed
    assert "1 of 100 elements differs, the first at [7]" in verification.message
    assert verification.figures["max_abs_error"] == pytest.approx(2.0, rel=1e-6)


def test_a_wrong_product_is_found_and_its_place_named(run):
    def spoil(workload):
        workload._c.numpy()[3, 4] += 0.01

    verification, _, _ = run(Matmul, {"m": 20, "n": 20, "k": 20}, spoil, matmul="matmul")
    assert not verification.passed
    assert "the first at [3, 4]" in verification.message


def test_wrong_logits_are_found_although_the_accuracy_suffices(run):
    def spoil(workload):
        workload._partials.numpy()[0, 17, 2] -= 0.01

    verification, _, _ = run(MlpDigits, {}, spoil, shard="mlp_shard", join="join_partials")
    assert not verification.passed
    assert verification.figures["accuracy"] >= 0.95
    assert "the first at [17, 2]" in verification.message


def test_too_low_an_accuracy_fails_although_the_logits_are_right(run):
    verification, _, _ = run(MlpDigits, {"min_accuracy": 1.0}, shard="mlp_shard", join="join_partials")
    assert not verification.passed
    assert "less than workload.min_accuracy=1.0" in verification.message


@pytest.mark.parametrize("worker", [(3, 1)], indirect=True)
def test_classes_that_contradict_the_logits_are_found(run):
    def spoil(workload):
        classes = workload._classes.numpy()
        classes[0] = (classes[0] + 1) % CLASSES

    verification, _, _ = run(MlpDigits, {}, spoil, shard="mlp_shard", join="join_partials")
    assert not verification.passed
    assert "those of the sub-workers do not follow" in verification.message
