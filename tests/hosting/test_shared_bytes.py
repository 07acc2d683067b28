"""Two ends of shared memory pass large contents on."""

import os

import numpy as np

from runtime.hosting.shared_bytes import SharedBytes

MIB = 1 << 20


def _ends():
    writer = SharedBytes()
    return writer, SharedBytes(os.dup(writer.descriptor))


def test_contents_arrive_whatever_their_sizes_and_types():
    writer, reader = _ends()
    for sizes in ((1, 0, 70_000), (5,), (3 * MIB, 1), (2 * MIB,)):
        contents = [np.full(size, place + 1, np.uint8) for place, size in enumerate(sizes)]
        given = [contents[0].tobytes(), *contents[1:]]
        assert [bytes(reader.view(span)) for span in writer.put(given)] == [one.tobytes() for one in contents]


def test_arrays_of_several_dimensions_are_their_bytes():
    writer, reader = _ends()
    matrix = np.arange(12.0).reshape(3, 4)
    (span,) = writer.put([matrix])
    assert span.begin % 64 == 0
    assert np.array_equal(np.frombuffer(reader.view(span)).reshape(3, 4), matrix)


def test_memory_that_one_large_message_needed_is_given_back_by_the_next():
    writer, reader = _ends()
    writer.put([bytearray(300 * MIB)])
    assert os.fstat(writer.descriptor).st_size == 300 * MIB
    (span,) = writer.put([b"small"])
    assert bytes(reader.view(span)) == b"small"
    assert os.fstat(writer.descriptor).st_size == 5


def test_the_descriptor_is_closed_with_its_end():
    writer, _ = _ends()
    descriptor = writer.descriptor
    del writer
    try:
        os.fstat(descriptor)
    except OSError:
        return
    raise AssertionError("the descriptor is still open")
