"""joblib, and scikit-learn through it, with Callring's backend."""

import subprocess
import sys

import pytest

from tests.clients import functions
from tests.patience import patience

joblib = pytest.importorskip("joblib")


@pytest.fixture(autouse=True)
def backend(executor):
    from runtime.joblib_backend import register_callring

    register_callring()
    with joblib.parallel_config(backend="callring", executor=executor):
        yield


def test_parallel_returns_the_values_of_the_calls_in_order():
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(functions.square)(i) for i in range(500))
    assert results == [i * i for i in range(500)]


def test_lambdas_and_closures_need_nothing_special():
    step = 3
    assert joblib.Parallel()(joblib.delayed(lambda x: x + step)(i) for i in range(10)) == list(range(3, 13))


def test_all_workers_are_used_unless_a_number_is_given(executor):
    backend = joblib.parallel.get_active_backend()[0]
    assert backend.effective_n_jobs(-1) == executor._max_workers
    assert backend.effective_n_jobs(None) == 1
    with pytest.raises(ValueError, match="no meaning"):
        backend.effective_n_jobs(0)


@pytest.mark.parametrize("returned", ["generator", "generator_unordered"])
def test_results_come_one_by_one(returned):
    results = joblib.Parallel(n_jobs=2, return_as=returned)(joblib.delayed(functions.square)(i) for i in range(50))
    assert sorted(results) == [i * i for i in range(50)]


def test_the_exception_of_a_task_arrives_and_the_next_call_works():
    with pytest.raises(LookupError, match="of a client's task"):
        joblib.Parallel(n_jobs=2)(joblib.delayed(functions.fail)(i) for i in range(20))
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(functions.square)(i) for i in range(3)) == [0, 1, 4]


def test_calls_within_calls_run_in_the_same_worker():
    def outer(i):
        return sum(joblib.Parallel(n_jobs=2)(joblib.delayed(functions.square)(i + k) for k in range(3)))

    results = joblib.Parallel(n_jobs=2)(joblib.delayed(outer)(i) for i in range(4))
    assert results == [sum((i + k) ** 2 for k in range(3)) for i in range(4)]


def test_scikit_learn_searches_and_validates_with_the_backend():
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.svm import SVC

    data, kinds = load_iris(return_X_y=True)
    search = GridSearchCV(SVC(), {"C": [0.1, 1, 10]}, n_jobs=2, cv=3).fit(data, kinds)
    assert search.best_score_ > 0.9
    scores = cross_val_score(RandomForestClassifier(20, n_jobs=2, random_state=1), data, kinds, n_jobs=2)
    assert scores.mean() > 0.9


SCRIPT = """
import sys
import runtime
assert "joblib" not in sys.modules
import joblib
from runtime.joblib_backend import register_callring
register_callring()
with joblib.parallel_config(backend="callring", n_jobs=2):
    first = joblib.Parallel()(joblib.delayed(pow)(2, i) for i in range(10))
    second = joblib.Parallel(n_jobs=3)(joblib.delayed(pow)(3, i) for i in range(3))
    alone = joblib.Parallel(n_jobs=1)(joblib.delayed(pow)(4, i) for i in range(3))
print(first[-1], second, alone)
"""


def test_without_an_executor_the_backend_starts_one_and_ends_it_with_the_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=patience(120), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "512 [1, 3, 9] [1, 4, 16]\n", "")
