"""The frames in a live Worker's lanes, read from shared memory: they carry digests, and no other name of a callable."""

import os
import signal
import struct
import sys
import time
from pathlib import Path

import pytest

from runtime import CallConfig, Tag, TaskArgs, Worker
from tests.contract.conftest import LAYOUT_VERSION, all_ready, wait_until

FRAME_BYTES = 512
FRAMES_WITHIN = 64 << 20  # all frames lie in these first bytes of a lane's file; its sparse store follows
FRAME = struct.Struct("<IIQQII24s32s")  # version, claim, sequence, run, retries, 0, config, digest; then the arguments


def lanes():
    """The descriptors of the lanes that this process has mapped."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if "callring-lane" in str(entry.readlink()):
                found.add(int(entry.name))
        except FileNotFoundError:
            continue
    return found


def frames_of(digest, descriptors):
    """The fields and the arguments of every frame that carries ``digest``."""
    for fd in descriptors:
        memory = os.pread(fd, FRAMES_WITHIN, 0)
        at = memory.find(digest)
        while at >= 0:
            start = at - (FRAME.size - 32)
            yield FRAME.unpack_from(memory, start), memory[start + FRAME.size : start + FRAME_BYTES]
            at = memory.find(digest, at + 32)


@pytest.mark.parametrize("child", ["chip", "sub"])
def test_a_frame_carries_the_raw_digest_its_retries_and_the_argument_blob(child, chip):
    others = lanes()  # of closed Workers that are not garbage-collected yet
    with Worker(chips=1, sub_workers=1) as worker:
        kernel, function = worker.register(chip["sleep_ms"]), worker.register(lambda args: None)
        handle = kernel if child == "chip" else function
        args = TaskArgs(scalars=[0])

        def orchestrate(o):
            for _ in range(3):
                if child == "chip":
                    o.submit_next_level(handle, args, CallConfig(block_count=1, retries=2), worker=0)
                else:
                    o.submit_sub(handle, args, CallConfig(retries=2))

        worker.run(orchestrate)
        digest = bytes.fromhex(handle.hashid.removeprefix("sha256:"))
        found = list(frames_of(digest, lanes() - others))
        assert len(found) == 3
        for sequence, (frame, arguments) in enumerate(sorted(found)):
            version, _, number, run, retries, reserved, _, carried = frame
            assert (version, number, run, retries, reserved) == (LAYOUT_VERSION, sequence, 1, 2, 0)
            assert carried == digest
            assert struct.unpack_from("<iiQ", arguments) == (0, 1, 0)


def test_a_callable_has_no_public_name_but_its_hashid(chip):
    with Worker(chips=1, sub_workers=1) as worker:
        handle = worker.register(chip["add"])
        task = worker.run(lambda o: o.submit_sub(worker.register(lambda args: 1)))
        shown = [repr(handle), *map(repr, worker.children), repr(task)]
        assert {name for name in dir(handle) if not name.startswith("_")} == {"hashid", "kind", "target_namespace"}
        assert not any("slot" in text.lower() for text in shown)
        native = worker._session.registry.resolve(handle, handle.target_namespace, "test")
        known = {name for name in dir(native) if not name.startswith("_")}
        assert known == {"descriptor", "digest", "label", "on_chips"}


def slot_in_this_child(digest):
    """Runs in a sub-worker: searches the Python frames of its callers for the host, whose table is private."""
    frame = sys._getframe()
    while "host" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["host"].slot_of(digest)


def test_children_need_not_agree_on_slots_and_both_resolve_the_same_hashid():
    def on_each(args):
        met, digest = args
        met[args.scalars[0]] = 1
        while not met.all():  # each sub-worker waits for the other: both take part
            time.sleep(0.001)
        return os.getpid(), slot_in_this_child(digest.tobytes())

    with Worker(sub_workers=2) as worker:
        first, handle = worker.register(len), worker.register(on_each)
        worker.unregister(first)
        # The replacement never installed the first callable, so that its slots have other numbers.
        os.kill(worker.children[1].pid, signal.SIGKILL)
        assert wait_until(lambda: worker.children[1].incarnation == 2)
        assert all_ready(worker)
        met, digest = worker.zeros(2, "float64"), worker.zeros(32, "uint8")
        digest.numpy()[:] = list(bytes.fromhex(handle.hashid.removeprefix("sha256:")))
        args = [TaskArgs((met, Tag.NO_DEP), (digest, Tag.INPUT), scalars=[i]) for i in range(2)]
        tasks = worker.run(lambda o: [o.submit_sub(handle, a) for a in args])
        slots = dict(task.result() for task in tasks)
        assert [slots[child.pid] for child in worker.children] == [1, 0]
