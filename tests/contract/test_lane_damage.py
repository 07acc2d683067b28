"""A task that writes over the lane of its own child is lost, and begins again only as a retry."""

import ctypes
from pathlib import Path

import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker
from runtime.errors import WorkerLost
from tests.contract.conftest import all_ready

WHOLE = (0, 1 << 40)
FRAMES = (640, 1 << 40)
"""Begins at the offset after LaneHeader."""
OWN_FRAME = (640, 640 + 512)
DAMAGE = [WHOLE, FRAMES, OWN_FRAME]


def write_over_lane(args):
    args[0][0] += 1
    begin, end, byte, crashes = args.scalars
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "callring-lane" in line:
            low, high = (int(address, 16) for address in line.split()[0].split("-"))
            ctypes.memset(low + begin, byte, min(end, high - low) - begin)
    if crashes:
        ctypes.memset(8, 0, 1)


def bump(args):
    args[0][0] += 1


@pytest.mark.parametrize("crashes", [False, True], ids=["goes on", "crashes"])
@pytest.mark.parametrize("byte", [0x00, 0xFF])
@pytest.mark.parametrize("where", DAMAGE, ids=["whole", "frames", "own frame"])
@pytest.mark.parametrize("kind", ["chip", "sub-worker"])
def test_a_task_that_writes_over_its_lane_is_lost_and_the_tasks_behind_it_run(kind, where, byte, crashes, chip):
    with Worker(chips=1, sub_workers=1) as worker:
        x = worker.zeros((6, 1), "float64")
        on_chip = kind == "chip"
        bad = worker.register(chip["write_over_lane"] if on_chip else write_over_lane)
        good = worker.register(chip["count"] if on_chip else bump)
        damage = [*where, byte, int(crashes)]

        def orchestrate(o):
            def submit(handle, row, *scalars):
                args = TaskArgs((x[row], Tag.INOUT), scalars=list(scalars))
                return o.submit_next_level(handle, args, worker=0) if on_chip else o.submit_sub(handle, args)

            return [submit(bad, 0, *damage), *(submit(good, row, 0) for row in range(1, 6))]

        run = worker.submit(orchestrate)
        assert run.wait(60)
        error, *others = run.errors
        assert isinstance(error, WorkerLost)
        assert "written over its lane" in str(error) or "wrote over its lane" in str(error)
        assert "write_over_lane" in str(error)
        assert others == []
        assert x.numpy()[:, 0].tolist() == [1] * 6
        assert all_ready(worker)


def test_a_task_that_writes_over_its_lane_begins_again_as_often_as_it_allows(chip):
    with Worker(chips=1) as worker:
        x = worker.zeros(1, "float64")
        bad = worker.register(chip["write_over_lane"])
        args = TaskArgs((x, Tag.INOUT), scalars=[*WHOLE, 0xFF, 1])
        run = worker.submit(lambda o: o.submit_next_level(bad, args, CallConfig(retries=2), worker=0) and None)
        with pytest.raises(WorkerLost, match="written over its lane"):
            run.result(60)
        assert x.numpy()[0] == 3
