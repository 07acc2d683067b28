"""A child that sends something impossible is killed for breaking the protocol: its task is lost for that reason, its
parent is unharmed, and the parent trusts none of its messages.
"""

import os
import resource
import time

import pytest

from runtime import ArgDirection, CallConfig, TaskArgs, Worker, WorkerOptions, _core
from runtime.errors import TaskTimeout, WorkerLost
from runtime.toolchain import build_chip_callable
from tests.contract import liars
from tests.contract.conftest import NATIVE, all_ready, source_of
from tests.patience import patience

SCALAR = ArgDirection.SCALAR
CODES = _core.CODES

HOSTILE = """
#include "common/result.h"
#include "control/message.h"
#include "lane/layout.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <time.h>

namespace {
using namespace callring;

LaneHeader *find_lane() {
    FILE *maps = std::fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long begin = 0;
    while (std::fgets(line, sizeof line, maps) != nullptr) {
        if (std::strstr(line, " 00000000 ") != nullptr && std::strstr(line, "callring-lane") != nullptr) {
            std::sscanf(line, "%lx", &begin);
        }
    }
    std::fclose(maps);
    return reinterpret_cast<LaneHeader *>(begin);
}

void complete(Code code, std::uint32_t flags, const std::string &payload) {
    LaneHeader &lane = *find_lane();
    const std::uint64_t tail = lane.completions.tail.load();
    auto *completion = reinterpret_cast<Completion *>(reinterpret_cast<char *>(&lane) +
        completions_offset(lane.capacity) + (tail % lane.capacity) * kCompletionBytes);
    *completion = Completion{tail, static_cast<std::uint32_t>(code), flags, 0, 0,
                             static_cast<std::uint32_t>(payload.size()), {}};
    std::memcpy(completion->payload.data(), payload.data(), payload.size());
    lane.completions.tail.store(tail + 1);
}

std::string record(std::uint64_t offset, std::uint64_t bytes) {
    const ExtentRecord extent{offset, bytes};
    return std::string(reinterpret_cast<const char *>(&extent), sizeof extent);
}

void say(Op op, std::uint64_t argument, const std::string &body) {
    MessageHeader header = header_of(op, argument);
    header.layout_version = kLayoutVersion;
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    std::string message(reinterpret_cast<const char *>(&header), sizeof header);
    message += body;
    ::send(3, message.data(), message.size(), MSG_NOSIGNAL);
}

// A pickle that creates the folder `name` when it is unpickled.
std::string pickle_of_mkdir(const std::string &name) { return "cos\\nmkdir\\n(S'" + name + "'\\ntR."; }
}  // namespace
"""

LIE = """
    if (block->index != 0) { return 0; }
    switch (args->scalars[0]) {
    case 0: complete(Code::python_exception, 0, pickle_of_mkdir("callring-was-here")); break;
    case 1: complete(Code::ok, 0, "p" + pickle_of_mkdir("callring-was-here")); break;
    case 2: complete(Code::ok, kPayloadInExtent, record(kExtentHeader, 100)); break;
    case 3: complete(Code::kernel_failed, 0, "many\\n0\\nlie\\n"); break;
    case 4: complete(Code::kernel_failed, 0, "5"); break;
    case 5: complete(Code::ok, 0, std::string("ab\\1\\0\\0\\0", 6) + record(kExtentHeader, 100)); break;
    case 6: complete(Code::ok, kPayloadInExtent, record(kStoreBytes, 100)); break;
    case 7: for (int i = 0; i < 20000; ++i) { say(Op::start, 0, std::string(30000, '\\xff')); } break;
    case 8: find_lane()->begun_ns.store(~std::uint64_t{0} / 4); break;
    case 9: for (;;) {
                timespec now{};
                ::clock_gettime(CLOCK_MONOTONIC, &now);
                find_lane()->begun_ns.store(now.tv_sec * 1000000000ull + now.tv_nsec);
            }
    case 10: find_lane()->begun_frame.store(0); break;
    default: break;
    }
    for (;;) { usleep(1000); }"""


@pytest.fixture(scope="session")
def lie(tmp_path_factory):
    """A kernel that breaks the protocol in the way that its scalar selects, and never ends."""
    source = tmp_path_factory.mktemp("hostile") / "lie.cpp"
    source.write_text(HOSTILE + source_of("lie", LIE, [SCALAR]))
    return build_chip_callable(
        source, signature=[SCALAR], platform="a2a3sim", flags=["-std=c++20", f"-I{NATIVE}", f"-I{NATIVE / 'include'}"]
    )


CHIP_LIES = {
    "an exception of Python": (0, "cannot end"),
    "a value": (1, "no value"),
    "a value in an extent": (2, "no value"),
    "a failure without a code": (3, "which kernel"),
    "a failure without a kernel": (4, "which kernel"),
    "a value that names an extent": (5, "no value"),
    "an extent outside of its store": (6, "where none can lie"),
    "messages that answer no request": (7, "answers no request"),
}


@pytest.mark.parametrize("how", CHIP_LIES)
def test_a_chip_that_lies_is_replaced_and_none_of_its_bytes_are_unpickled(how, lie, chip, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    number, what = CHIP_LIES[how]
    with Worker(chips=2) as worker:
        handle, sleep = worker.register(lie), worker.register(chip["sleep_ms"])
        with pytest.raises(WorkerLost, match=f"protocol violation: .*{what}") as caught:
            worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[number]), worker=0) and None)
        assert (caught.value.worker, caught.value.hashid) == ("chip 0", handle.hashid)
        assert all_ready(worker)
        assert [child.incarnation for child in worker.children] == [2, 1]
        worker.run(lambda o: [o.submit_next_level(sleep, TaskArgs(scalars=[0]), worker=i) for i in range(2)] and None)
    assert not list(tmp_path.iterdir())


def test_messages_without_a_request_take_no_memory_of_the_parent(lie):
    with Worker(chips=1) as worker:
        handle = worker.register(lie)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(WorkerLost, match="protocol violation"):
            worker.run(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[7]), worker=0))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


SUB_LIES = {
    "an unknown code": (lambda: liars.complete(code=99), "wrote over its lane"),
    "a code that only its parent gives": (lambda: liars.complete(code=CODES["cancelled"]), "cannot end"),
    "a kernel's failure": (lambda: liars.complete(code=CODES["kernel_failed"], payload=b"1\n0\nk\n"), "cannot end"),
    "a length beyond its completion": (lambda: liars.complete(size=1 << 30), "wrote over its lane"),
    "an earlier or a later task": (lambda: liars.complete(ahead=3), "wrote over its lane"),
    "a skip of a task that follows none": (lambda: liars.complete(code=CODES["skipped"]), "no failed task"),
    "a value of no known form": (lambda: liars.complete(payload=b"?"), "no value"),
    "a number of three bytes": (lambda: liars.complete(payload=b"i123"), "no value"),
    "a pickle that ends too early": (lambda: liars.complete(payload=b"p\x80\x05N"), "no value"),
    "an exception of nothing": (lambda: liars.complete(code=CODES["python_exception"]), "what was raised"),
    "an exception longer than its bytes": (
        lambda: liars.complete(code=CODES["python_exception"], payload=b"\xff" * 20),
        "what was raised",
    ),
    "text that is not UTF-8": (lambda: liars.complete(payload=b"s\xff"), "no value"),
    "a result outside of the result area": (lambda: liars.complete(flags=1, payload=liars.extent(0, 9 << 20)), "lane"),
    "a result in two places at once": (lambda: liars.complete(flags=3, payload=liars.extent(64, 9)), "lane"),
    "a result in no place": (lambda: liars.complete(flags=1), "wrote over its lane"),
    "an extent of half a record": (lambda: liars.complete(flags=2, payload=b"12345678"), "wrote over its lane"),
    "an extent that is not its block's": (lambda: liars.tell(liars.extent(4096, 100)), "where none can lie"),
    "an extent before the store": (lambda: liars.tell(liars.extent(0, 100)), "where none can lie"),
    "an extent behind the store": (lambda: liars.tell(liars.extent((1 << 40) + 64, 100)), "where none can lie"),
    "an extent that is not in the store": (lambda: liars.tell(liars.extent(64, (1 << 40) + 1)), "where none can lie"),
    "an extent whose end overflows": (lambda: liars.tell(liars.extent(64, (1 << 64) - 1)), "where none can lie"),
    "an extent over two cells": (lambda: liars.tell(liars.extent((32 << 20) - 4096 + 64, 8192)), "where none can lie"),
    "one extent twice": (lambda: liars.tell(liars.extent(64, 100), liars.extent(64, 100)), "where none can lie"),
    "extents that overlap": (lambda: liars.tell(liars.extent(64, 9000), liars.extent(8256, 1)), "where none can lie"),
    "more extents than it names": (lambda: liars.tell(liars.extent(64, 100), count=2), "no value"),
    "no extents": (lambda: liars.tell(count=0), "no value"),
    "a form that has no extents": (lambda: liars.tell(liars.extent(64, 100), form=b"i"), "no value"),
    "text in two extents": (lambda: liars.tell(liars.extent(64, 9), liars.extent(4160, 9), form=b"s"), "no value"),
    "an extent that holds no pickle": (lambda: liars.tell(liars.extent(64, 100)), "no value"),
    "a message that answers no request": (lambda: liars.say(liars.REGISTER, sequence=7), "answers no request"),
    "a message longer than declared": (lambda: liars.say(liars.REGISTER, body=b"x", size=0), "contradicts its header"),
}


@pytest.mark.parametrize("how", SUB_LIES)
def test_a_sub_worker_that_lies_is_replaced_and_harms_nothing_else(how):
    lie, what = SUB_LIES[how]

    def lie_for_ever(args):
        lie()
        time.sleep(600)

    with Worker(sub_workers=2) as worker:
        handle, one = worker.register(lie_for_ever), worker.register(lambda args: 1)
        with pytest.raises(WorkerLost, match=f"protocol violation: .*{what}") as caught:
            worker.run(lambda o: o.submit_sub(handle)).result()
        assert caught.value.hashid == handle.hashid
        assert all_ready(worker)
        assert sorted(child.incarnation for child in worker.children) == [1, 2]
        assert [task.result() for task in worker.run(lambda o: [o.submit_sub(one) for _ in range(8)])] == [1] * 8


@pytest.mark.parametrize(("begin", "end"), [(1, 2), (1 << 62, (1 << 62) + 1), (2, 1)])
def test_a_sub_worker_that_ran_a_task_at_an_impossible_time_is_replaced(begin, end):
    def lie(args):
        liars.complete(begin=begin, end=end)
        time.sleep(600)

    with Worker(sub_workers=1, options=WorkerOptions(trace=True)) as worker:
        handle = worker.register(lie)
        with pytest.raises(WorkerLost, match=r"protocol violation: it reported impossible times"):
            worker.run(lambda o: o.submit_sub(handle)).result()


@pytest.mark.parametrize("number", [8, 9, 10])
def test_a_kernel_that_forges_the_time_when_it_began_still_exceeds_its_deadline(number, lie):
    with Worker(chips=1, options=WorkerOptions(control_timeout=patience(1.0))) as worker:
        handle = worker.register(lie)
        config = CallConfig(block_count=1, deadline=0.2)
        run = worker.submit(lambda o: o.submit_next_level(handle, TaskArgs(scalars=[number]), config, worker=0))
        assert isinstance(run.exception(60), TaskTimeout)
        assert all_ready(worker)


def test_two_protocol_violations_of_a_child_count_as_one_death():
    def lie(args):
        liars.say(liars.REGISTER, sequence=7, times=200)
        liars.complete(payload=b"?")
        os.kill(os.getpid(), 9)

    with Worker(sub_workers=1) as worker:
        handle = worker.register(lie)
        with pytest.raises(WorkerLost):
            worker.run(lambda o: o.submit_sub(handle)).result()
        assert all_ready(worker)
        assert worker.children[0].incarnation == 2
