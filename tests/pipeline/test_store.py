"""An entry of the store is complete or absent, even if runs die while they write it, or damage it."""

import multiprocessing
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.building.store import Store, digest_of

KEY = "0" * 64


def writes(content):
    return lambda folder: (folder / "file").write_bytes(content) and None


def put_once(root, barrier):
    barrier.wait()
    Store(Path(root), "kind").put(KEY, writes(b"equal keys mean equal content"))


def die_while_writing(root):
    def write(folder):
        (folder / "file").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    Store(Path(root), "kind").put(KEY, write)


def test_an_entry_that_was_put_is_found(tmp_path):
    store = Store(tmp_path, "kind")
    assert store.find(KEY) is None
    entry = store.put(KEY, writes(b"content"))
    assert store.find(KEY) == entry
    assert (entry / "file").read_bytes() == b"content"


def test_a_look_up_creates_nothing(tmp_path):
    assert Store(tmp_path / "store", "kind").find(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    store = Store(tmp_path, "kind")

    def write(folder):
        (folder / "file").write_bytes(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        store.put(KEY, write)
    assert store.find(KEY) is None
    assert list((tmp_path / "kind").iterdir()) == []


def test_a_killed_writer_leaves_no_entry_and_the_next_one_succeeds(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=die_while_writing, args=(str(tmp_path),))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    store = Store(tmp_path, "kind")
    assert store.find(KEY) is None
    assert (store.put(KEY, writes(b"whole")) / "file").read_bytes() == b"whole"


def test_threads_that_put_one_key_at_once_leave_one_complete_entry(tmp_path):
    count = 16
    barrier = threading.Barrier(count)
    threads = [threading.Thread(target=put_once, args=(tmp_path, barrier)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Store(tmp_path, "kind").find(KEY) is not None
    assert [path.name for path in (tmp_path / "kind").iterdir()] == [KEY]


def test_processes_that_put_one_key_at_once_leave_one_complete_entry(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=put_once, args=(str(tmp_path), barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert Store(tmp_path, "kind").find(KEY) is not None
    assert [path.name for path in (tmp_path / "kind").iterdir()] == [KEY]


def test_threads_that_find_a_damaged_entry_leave_one_complete_entry(tmp_path):
    store = Store(tmp_path, "kind")
    (store.put(KEY, writes(b"equal keys mean equal content")) / "file").write_bytes(b"damaged")
    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=put_once, args=(tmp_path, barrier)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entry = store.find(KEY)
    assert entry is not None
    assert (entry / "file").read_bytes() == b"equal keys mean equal content"


@pytest.mark.parametrize("damaged", ["file", "manifest.json"])
@pytest.mark.parametrize("damage", ["changed", "cut", "removed"])
def test_a_damaged_entry_is_not_found_and_is_built_again(tmp_path, damage, damaged):
    store = Store(tmp_path, "kind")
    path = store.put(KEY, writes(b"content")) / damaged
    if damage == "changed":
        path.write_bytes(path.read_bytes()[:-4] + b"....")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    else:
        path.unlink()
    assert store.find(KEY) is None
    entry = store.put(KEY, writes(b"content"))
    assert store.find(KEY) == entry
    assert (entry / "file").read_bytes() == b"content"


@given(content=st.binary(min_size=1, max_size=64), position=st.integers(0, 63), flipped=st.integers(1, 255))
def test_an_entry_with_any_byte_changed_is_never_found(tmp_path_factory, content, position, flipped):
    folder = tmp_path_factory.mktemp("store")
    try:
        store = Store(folder, "kind")
        file = store.put(KEY, writes(content)) / "file"
        changed = bytearray(content)
        changed[position % len(content)] ^= flipped
        file.write_bytes(bytes(changed))
        assert store.find(KEY) is None
    finally:
        shutil.rmtree(folder)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_keys_of_different_parts_differ(left, right):
    assert (digest_of(*left) == digest_of(*right)) == (left == right)


def test_a_note_is_read_as_it_was_written_and_may_be_missing(tmp_path):
    store = Store(tmp_path, "kind")
    assert store.read_note("name") is None
    store.write_note("name", "text")
    assert store.read_note("name") == "text"
