"""Children trust nothing: a child finds every error of a payload before it installs it.

The tests alter payloads in the parent, before they are sealed, below the public API, which cannot make a wrong one.
"""

import os
import socket
import struct
from pathlib import Path

import cloudpickle
import pytest

from runtime import TaskArgs, Worker, _core, identity
from runtime.chips.chip_callable import ChipCallable
from runtime.errors import WorkerLost
from runtime.registration.serialize import serialize
from tests.contract.conftest import LAYOUT_VERSION, wait_until

OK = _core.CODES["ok"]
UNREGISTER = 5  # Op in native/control/message.h


@pytest.fixture(scope="module")
def worker():
    with Worker(chips=1, sub_workers=1) as made:
        yield made


def install(worker, *, hashid, kind, runs_on, payload):
    """Registers below the public API. Returns (code name, message) of the only child's answer."""
    digest = identity.hashid_to_digest(hashid)
    engine = worker._session.engine
    _, _, [(_, code, message, _)] = engine.register_callable(digest, kind, runs_on, "altered", b"", payload)
    return next(name for name, number in _core.CODES.items() if number == code), message


def python(function=len):
    made = serialize(function, platform="a2a3sim", runtime="host_build_graph")
    return {"hashid": made.hashid, "kind": 2, "runs_on": "sub", "payload": made.payload}


def kernel(built):
    made = serialize(built, platform="a2a3sim", runtime="host_build_graph")
    return {"hashid": made.hashid, "kind": 1, "runs_on": "chip", "payload": made.payload}


def envelope(*, magic=b"SPYC", version=1, serializer=1, flags=0, size=None, body=b"", after=b""):
    return struct.pack("<4sBBHQ", magic, version, serializer, flags, len(body) if size is None else size) + body + after


BODY = cloudpickle.dumps(len)


@pytest.mark.parametrize(
    "altered",
    [
        envelope(magic=b"SPYD", body=BODY),
        envelope(version=2, body=BODY),
        envelope(serializer=2, body=BODY),
        envelope(flags=1, body=BODY),
        envelope(size=len(BODY) + 1, body=BODY),
        envelope(size=len(BODY) - 1, body=BODY),
        envelope(body=BODY, after=b"x"),
        envelope(size=2**64 - 1, body=BODY),
        b"SPYC",
        b"",
    ],
)
def test_a_wrong_envelope_is_refused_before_anything_is_unpickled(worker, altered):
    code, message = install(worker, **{**python(), "payload": altered or b"\0"})
    assert code == "malformed", message
    assert not worker.children[1].installed


def test_bytes_that_do_not_hash_to_the_hashid_are_refused(worker):
    code, message = install(worker, **{**python(), "payload": envelope(body=cloudpickle.dumps(max))})
    assert (code, "do not hash" in message) == ("hashid_descriptor_mismatch", True)
    assert not worker.children[1].installed


def test_nothing_is_unpickled_that_does_not_hash_to_the_requested_name(worker, tmp_path):
    path = tmp_path / "unpickled"
    body = cloudpickle.dumps(Touch(str(path)))
    assert install(worker, **{**python(), "payload": envelope(body=body)})[0] == "hashid_descriptor_mismatch"
    assert not path.exists()


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("kind", [0, 1, 3, 5, 2**32 - 1])
def test_a_sub_worker_refuses_kinds_that_it_cannot_run(worker, kind):
    code, message = install(worker, **{**python(), "kind": kind})
    assert (code, str(kind) in message) == ("kind_unsupported", True)
    assert not worker.children[1].installed


@pytest.mark.parametrize("kind", [0, 2, 3, 4, 5])
def test_a_chip_refuses_kinds_that_it_cannot_run(worker, kind, chip):
    assert install(worker, **{**kernel(chip["add"]), "kind": kind})[0] == "kind_unsupported"
    assert not worker.children[0].installed


def test_a_chip_refuses_an_altered_blob_at_every_byte_that_matters(worker, chip):
    given = kernel(chip["add"])
    blob = given["payload"]
    for position in (0, 5, 9, len(blob) // 2, len(blob) - 1):
        altered = bytearray(blob)
        altered[position] ^= 1
        code, message = install(worker, **{**given, "payload": bytes(altered)})
        assert code in ("malformed", "hashid_descriptor_mismatch"), message
    for cut in (blob[:-1], blob + b"\0", blob[:20]):
        assert install(worker, **{**given, "payload": cut})[0] in ("malformed", "hashid_descriptor_mismatch")
    assert not worker.children[0].installed


@pytest.mark.parametrize(("platform", "runtime"), [("a5sim", "host_build_graph"), ("a2a3sim", "another_runtime")])
def test_a_chip_derives_the_hashid_from_its_own_platform_and_runtime(worker, chip, platform, runtime):
    built: ChipCallable = chip["add"]
    descriptor = identity.build_chip_callable_descriptor(
        blob=built.blob, signature=built.signature, platform=platform, runtime=runtime
    )
    hashid = identity.compute_callable_hashid(descriptor)
    code, message = install(worker, **{**kernel(built), "hashid": hashid})
    assert code == "hashid_descriptor_mismatch"
    assert "a2a3sim" in message
    assert "host_build_graph" in message


def test_a_chip_derives_the_hashid_from_the_signature_in_the_blob(worker, chip):
    built = chip["add"]
    descriptor = identity.build_chip_callable_descriptor(
        blob=built.blob, signature=list(built.signature)[:-1], platform="a2a3sim", runtime="host_build_graph"
    )
    hashid = identity.compute_callable_hashid(descriptor)
    assert install(worker, **{**kernel(built), "hashid": hashid})[0] == "hashid_descriptor_mismatch"


def test_a_source_that_the_child_cannot_find_is_refused(worker, tmp_path, monkeypatch):
    # Only the parent finds this module: the sub-worker's search path was fixed when it started.
    (tmp_path / "only_here.py").write_text("def f(args):\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = serialize("only_here:f", platform="a2a3sim", runtime="host_build_graph")
    code, message = install(worker, hashid=made.hashid, kind=4, runs_on="sub", payload=made.payload)
    assert code == "prepare_failed"
    assert "only_here" in message
    assert str(tmp_path) not in message


def test_a_payload_that_is_no_callable_is_refused(worker):
    body = cloudpickle.dumps(3)
    hashid = identity.compute_callable_hashid(identity.build_python_serialized_descriptor(body))
    code, message = install(worker, hashid=hashid, kind=2, runs_on="sub", payload=envelope(body=body))
    assert (code, "not callable" in message) == ("prepare_failed", True)


def test_after_every_refusal_the_right_bytes_install_and_run(worker, chip):
    handle, add = worker.register(abs), worker.register(chip["add"])
    assert worker.children[1].installed == {handle.hashid: 1}
    assert worker.children[0].installed == {add.hashid: 1}
    worker.unregister(handle)
    worker.unregister(add)


def sockets():
    """The descriptors of this process that are sockets."""
    return {
        int(entry.name) for entry in Path("/proc/self/fd").iterdir() if os.path.realpath(entry).find("socket:") >= 0
    }


def control_sockets(others):
    """The parent's ends of the control sockets of its children, without the descriptors in `others`."""
    for descriptor in sockets() - others:
        end = socket.socket(fileno=os.dup(descriptor))
        if end.type & socket.SOCK_SEQPACKET == socket.SOCK_SEQPACKET:
            yield end
        end.close()


def test_a_child_whose_callable_was_removed_without_its_parent_runs_no_other_callable_and_is_replaced(chip):
    others = sockets()
    with Worker(chips=1) as worker:
        handle = worker.register(chip["sleep_ms"])
        worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[0]), worker=0))  # resolves it once
        # The test itself requests the removal; for the parent, the child's answer then belongs to no request.
        header = struct.pack("<IIIIQQII", 0x43524C43, LAYOUT_VERSION, UNREGISTER, 0, 2**63, 1, 1, 0)
        digest = identity.hashid_to_digest(handle.hashid)
        for end in control_sockets(others):
            end.send(header + digest)
        tasks = worker.submit(
            lambda o: [o.submit_next_level(handle, TaskArgs(scalars=[1]), worker=0) for _ in range(200)]
        )
        tasks.wait()
        for error in tasks.errors:  # of tasks that ran before the parent received the answer
            assert isinstance(error, WorkerLost) or "digest is not installed" in str(error)
            assert (error.hashid, error.worker) == (handle.hashid, "chip 0")
        assert wait_until(lambda: worker.children[0].incarnation == 2 and worker.children[0].state == "ready")
        assert "protocol violation" in worker.children[0].last_exit
        assert worker.children[0].installed == {handle.hashid: 1}
        worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[0]), worker=0))
