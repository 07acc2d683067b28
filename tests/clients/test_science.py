"""Optimizers, samplers and integrators that take a pool, a map or a starmap."""

import pytest

from tests.clients import functions

np = pytest.importorskip("numpy")


def test_scipy_takes_map_as_its_workers(executor):
    optimize = pytest.importorskip("scipy.optimize")
    found = optimize.differential_evolution(
        optimize.rosen, [(-2, 2)] * 2, workers=executor.map, updating="deferred", rng=1, maxiter=60
    )
    assert np.allclose(found.x, [1, 1], atol=1e-2)
    lowest = optimize.brute(optimize.rosen, [(0, 2, 0.25)] * 2, workers=executor.map, finish=None)
    assert np.allclose(lowest, [1, 1])


def test_scipy_integrates_with_map(executor):
    integrate = pytest.importorskip("scipy.integrate")
    value, _ = integrate.quad_vec(functions.square, 0, 3, workers=executor.map)
    assert np.isclose(value, 9)


def test_emcee_takes_an_executor_as_its_pool(executor):
    emcee = pytest.importorskip("emcee")
    start = np.random.default_rng(2).standard_normal((16, 3))
    sampler = emcee.EnsembleSampler(16, 3, functions.log_density, pool=executor)
    sampler.run_mcmc(start, 60)
    assert sampler.get_chain().shape == (60, 16, 3)
    assert np.isfinite(sampler.get_log_prob()).all()


def test_adaptive_runs_a_learner_over_an_executor(executor):
    adaptive = pytest.importorskip("adaptive")
    learner = adaptive.Learner1D(functions.square, bounds=(-1, 1))
    # adaptive reads the number of workers only of executor types that it knows.
    adaptive.BlockingRunner(learner, npoints_goal=40, executor=executor, ntasks=executor._max_workers)
    assert learner.npoints >= 40
    assert all(learner.data[x] == x * x for x in learner.data)


def test_optuna_evaluates_its_trials_in_workers(executor):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(5):
        trials = [study.ask({"x": optuna.distributions.FloatDistribution(-4, 4)}) for _ in range(8)]
        for trial, value in zip(trials, executor.map(functions.square, [t.params["x"] for t in trials]), strict=True):
            study.tell(trial, value)
    assert len(study.trials) == 40
    assert study.best_value < 0.5
    # Optuna's own threads may wait for workers, too.
    study.optimize(lambda t: executor.submit(functions.square, t.suggest_float("x", -4, 4)).result(), 20, n_jobs=4)
    assert len(study.trials) == 60


def test_pymoo_takes_starmap(executor):
    pytest.importorskip("pymoo")
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.optimize import minimize
    from pymoo.parallelization.starmap import StarmapParallelization

    class Sphere(ElementwiseProblem):
        def __init__(self, **more):
            super().__init__(n_var=3, n_obj=1, xl=-2, xu=2, **more)

        def _evaluate(self, x, out, *args, **kwargs):
            out["F"] = (x**2).sum()

    problem = Sphere(elementwise_runner=StarmapParallelization(executor.starmap))
    found = minimize(problem, GA(pop_size=20), ("n_gen", 12), seed=1)
    assert found.F[0] < 0.1
