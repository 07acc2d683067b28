"""Functions for sub-workers that break the protocol: they write to their process's control socket and lane."""

import ctypes
import socket
import struct
from pathlib import Path

from tests.contract.conftest import LAYOUT_VERSION

MAGIC = 0x43524C43
REGISTER = 3
HEADER = struct.Struct("<IIIIQQII32s")
"""The fields: magic, layout version, op, code, sequence, argument, kind, body bytes, digest."""
COMPLETION = struct.Struct("<QIIQQI")
"""The fields: sequence, code, flags, begin, end, payload bytes; the payload follows."""
COMPLETION_BYTES, FRAME_BYTES = 256, 512
HEADER_BYTES, BEGUN_FRAME, COMPLETIONS_TAIL = 640, 128, 384
"""A lane's header (native/lane/layout.h): its size, and the offsets of its fields."""


def control():
    """This process's end of the control socket."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            found = socket.socket(fileno=int(entry.name))
        except OSError:
            continue
        if found.type == socket.SOCK_SEQPACKET:
            return found
        found.detach()
    raise LookupError("no control socket")


def say(op, *, code=0, sequence=0, argument=0, digest=bytes(32), body=b"", size=None, times=1):
    """Sends a message with any content, ``times`` times."""
    channel = control()
    length = len(body) if size is None else size
    message = HEADER.pack(MAGIC, LAYOUT_VERSION, op, code, sequence, argument, 0, length, digest) + body
    try:
        for _ in range(times):
            channel.send(message)
    finally:
        channel.detach()


def lane():
    """The address at which this process has mapped its lane."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "callring-lane" in line and line.split()[2] == "00000000":  # other offsets are mapped extents
            return int(line.split("-")[0], 16)
    raise LookupError("no lane")


def extent(offset, size):
    """A record with the location of a result."""
    return struct.pack("<QQ", offset, size)


def tell(*extents, form=b"p", count=None):
    """Posts a result of form ``form`` in extents, with ``count`` as the reported number of extents."""
    head = struct.pack("<ccI", b"a", form, len(extents) if count is None else count)
    complete(payload=head + b"".join(extents))


def complete(*, code=0, flags=0, begin=0, end=0, payload=b"", size=None, ahead=0):
    """Posts a completion with any content, for the running task or for a task ``ahead`` places after it."""
    at = lane()
    capacity = ctypes.c_uint32.from_address(at + 8).value
    tail = ctypes.c_uint64.from_address(at + COMPLETIONS_TAIL)
    record = COMPLETION.pack(tail.value + ahead, code, flags, begin, end, len(payload) if size is None else size)
    slot = at + HEADER_BYTES + capacity * FRAME_BYTES + (tail.value % capacity) * COMPLETION_BYTES
    ctypes.memmove(slot, record + payload, len(record + payload))
    tail.value += 1
