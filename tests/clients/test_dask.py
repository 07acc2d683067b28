"""dask's collections, with an Executor as their scheduler."""

import operator

import pytest

from tests.clients import functions

dask = pytest.importorskip("dask")


@pytest.fixture(autouse=True)
def scheduler(executor):
    with dask.config.set(scheduler=executor):
        yield


def test_an_array(executor):
    np = pytest.importorskip("numpy")
    da = pytest.importorskip("dask.array")
    x = da.arange(40_000, chunks=5_000).reshape(200, 200)
    y = (x @ x.T).sum(axis=0).mean()
    a = np.arange(40_000).reshape(200, 200)
    assert y.compute() == (a @ a.T).sum(axis=0).mean()
    u, s, _ = da.linalg.svd(da.random.default_rng(1).random((300, 10), chunks=(100, 10)))
    assert u.shape == (300, 10)
    assert (s.compute() > 0).all()


def test_a_dataframe():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame({"key": [i % 7 for i in range(10_000)], "value": range(10_000)})
    grouped = dd.from_pandas(frame, npartitions=8).groupby("key").value.agg(["sum", "max"]).compute()
    expected = frame.groupby("key").value.agg(["sum", "max"])
    assert grouped.sort_index().equals(expected)


def test_a_bag():
    bag = pytest.importorskip("dask.bag")
    words = bag.from_sequence(["one", "two", "one", "three", "one"], npartitions=3)
    assert dict(words.frequencies().compute()) == {"one": 3, "two": 1, "three": 1}
    assert bag.range(100, npartitions=10).map(functions.square).fold(operator.add).compute() == 328_350


def test_delayed_calls_run_in_all_workers(executor):
    pids = dask.compute(*[dask.delayed(functions.pid)(i) for i in range(40)])
    assert set(pids) <= {child.pid for child in executor.worker.children}


def test_the_exception_of_a_task_arrives():
    with pytest.raises(LookupError, match="of a client's task"):
        dask.delayed(functions.fail)().compute()


def test_dask_uses_as_many_tasks_at_once_as_there_are_workers(executor):
    from dask.base import get_scheduler

    assert get_scheduler(scheduler=executor).args[1] == 2
