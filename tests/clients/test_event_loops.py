"""Event loops that hand calls to an Executor."""

import asyncio
import concurrent.futures

import pytest

from tests.clients import functions


def test_asyncio_awaits_calls_and_their_exceptions(executor):
    async def main():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, functions.square, i) for i in range(30)]
        assert await asyncio.gather(*calls) == [i * i for i in range(30)]
        with pytest.raises(LookupError):
            await asyncio.wait_for(loop.run_in_executor(executor, functions.fail), 30)
        wrapped = asyncio.wrap_future(executor.submit(functions.square, 4))
        assert await wrapped == 16

    asyncio.run(main())


def test_tornado_awaits_calls(executor):
    ioloop = pytest.importorskip("tornado.ioloop")

    async def main():
        loop = ioloop.IOLoop.current()
        got = [await loop.run_in_executor(executor, functions.square, i) for i in range(5)]
        assert got == [0, 1, 4, 9, 16]
        with pytest.raises(LookupError):
            await loop.run_in_executor(executor, functions.fail)

    ioloop.IOLoop().run_sync(main)


def test_tqdm_shows_the_progress_of_calls(executor, capsys):
    tqdm = pytest.importorskip("tqdm").tqdm
    mapped = list(tqdm(executor.map(functions.square, range(50), unordered=True), total=50))
    assert sorted(mapped) == [i * i for i in range(50)]
    futures = [executor.submit(functions.square, i) for i in range(20)]
    seen = [future.result() for future in tqdm(concurrent.futures.as_completed(futures), total=20)]
    assert sorted(seen) == [i * i for i in range(20)]
    assert "50/50" in capsys.readouterr().err
