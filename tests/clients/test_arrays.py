"""xarray and zarr: chunked data sets, written and reduced by dask over an Executor."""

import pytest

dask = pytest.importorskip("dask")
np = pytest.importorskip("numpy")
xarray = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")


def test_a_data_set_is_written_to_zarr_read_again_and_reduced(executor, tmp_path):
    values = np.random.default_rng(3).random((60, 20, 10))
    data = xarray.Dataset({"t": (("time", "y", "x"), values)}, coords={"time": np.arange(60)}).chunk({"time": 10})
    with dask.config.set(scheduler=executor):
        data.to_zarr(tmp_path / "data.zarr")
        read = xarray.open_zarr(tmp_path / "data.zarr")
        means = read.t.mean("time").compute()
        monthly = read.t.groupby(read.time % 12).std().compute()
    assert np.allclose(means, values.mean(axis=0))
    assert np.allclose(monthly[3], values[3::12].std(axis=0))


def write_block(path, index):
    array = zarr.open_array(path, mode="r+")
    array[index * 10 : (index + 1) * 10] = index


def test_workers_write_blocks_of_one_zarr_array(executor, tmp_path):
    path = str(tmp_path / "array.zarr")
    zarr.create_array(path, shape=(80,), chunks=(10,), dtype="i8")
    list(executor.starmap(write_block, [(path, i) for i in range(8)], unordered=True))
    assert (zarr.open_array(path, mode="r")[:] == np.repeat(np.arange(8), 10)).all()
