"""A lock file is complete even if runs die while they write it; an error in it is reported in one line."""

import json
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.common import files
from pipeline.lock.differences import differences_of
from pipeline.lock.document import LockDocument, LockedCallable, lock_text, parse_lock
from pipeline.lock.file import LockFile, choose_lock_file
from pipeline.lock.mismatch import LockMismatch
from pipeline.run.stage_results import Locked, Registered
from pipeline.run.stages.lock import require_registered
from runtime.errors import ConfigurationError
from runtime.identity import CallableHandle, CallableKind

ADD = LockedCallable("sha256:" + "a" * 64, CallableKind.CHIP_CALLABLE, {"entry": "add", "sources": {"a.cpp": "b" * 64}})
ENTRY = f"hashid: {ADD.hashid}\nkind: CHIP_CALLABLE\n"
UNDER = "version: 1\nworkloads:\n  w:\n    t:\n      c:\n        "

# Texts of real locks; YAML itself forbids some control characters and surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CALLABLES = st.builds(
    LockedCallable,
    st.binary(min_size=32, max_size=32).map(lambda digest: f"sha256:{digest.hex()}"),
    st.sampled_from(CallableKind),
    st.dictionaries(
        TEXTS.filter(lambda key: key not in ("hashid", "kind")), TEXTS | st.dictionaries(TEXTS, TEXTS, max_size=3)
    ),
)
BY_NAME = st.dictionaries(TEXTS, CALLABLES, max_size=3)
DOCUMENTS = st.builds(LockDocument, st.dictionaries(TEXTS, st.dictionaries(TEXTS, BY_NAME, max_size=2), max_size=2))


def lock_file(folder):
    return LockFile(Path(folder) / "lock.yaml", "lock.yaml")


def problem_with(text):
    """The error of a lock; empty if it is valid."""
    try:
        parse_lock(text)
    except ConfigurationError as error:
        return str(error)
    return ""


def write_once(folder, number, barrier):
    barrier.wait()
    for round_ in range(5):
        lock_file(folder).update(f"workload {number}", f"target {round_}", {"add": ADD})


def die_before_the_rename(folder):
    def die(_):
        os.kill(os.getpid(), signal.SIGKILL)

    files.os.fsync = die
    lock_file(folder).update("other", "target", {"add": ADD})


@given(DOCUMENTS)
def test_a_document_is_read_as_it_was_written(document):
    text = lock_text(document)
    assert parse_lock(text) == document
    assert lock_text(parse_lock(text)) == text


@given(DOCUMENTS)
def test_the_order_of_additions_does_not_change_the_document(document):
    reversed_ = {
        workload: {target: dict(reversed(callables.items())) for target, callables in reversed(targets.items())}
        for workload, targets in reversed(document.workloads.items())
    }
    assert lock_text(LockDocument(reversed_)) == lock_text(document)


@given(BY_NAME, BY_NAME)
def test_callables_differ_exactly_if_their_hashids_differ(locked, built):
    names = {difference.name for difference in differences_of(locked, built)}
    hashids = [{name: callable_.hashid for name, callable_ in side.items()} for side in (locked, built)]
    different = {name for name in {*locked, *built} if hashids[0].get(name) != hashids[1].get(name)}
    pickled = {name for name, callable_ in built.items() if callable_.kind is CallableKind.PYTHON_SERIALIZED}
    assert different <= names <= different | pickled
    assert differences_of(built, built) == ()


@given(st.text(max_size=80) | st.text("{}[]:&*-\n 1avw!|>'\"#", max_size=80))
def test_any_text_is_a_lock_or_an_error_in_one_line(text):
    assert "\n" not in problem_with(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", ["the file", "mapping"], id="nothing"),
        pytest.param("workloads: {}\n", ["version: missing"], id="no version"),
        pytest.param("version: 1\n", ["workloads", "mapping"], id="no workloads"),
        pytest.param("version: 1\nworkloads: {}\nmore: {}\n", ["more: no such key"], id="a key of no lock"),
        pytest.param("version: 1\nworkloads: {a: {}, a: {}}\n", ["line 2", "a is there twice"], id="a key twice"),
        pytest.param("version: 1\nworkloads: [a]\n", ["line 2"], id="a list"),
        pytest.param("version: 1\nworkloads: &a {b: *a}\n", ["line 2"], id="an alias of itself"),
        pytest.param("[" * 100_000, ["nested too deeply"], id="thousands of levels"),
        pytest.param("version: 1\nworkloads: {w: {t: {c: x}}}\n", ["workloads.w.t.c: must be"], id="no callable"),
        pytest.param(UNDER + "kind: CHIP_CALLABLE\n", ["workloads.w.t.c.hashid: missing"], id="no hashid"),
        pytest.param(UNDER + f"hashid: {ADD.hashid}\n", ["workloads.w.t.c.kind: missing"], id="no kind"),
        pytest.param(UNDER + "{hashid: sha256:00, kind: x}\n", ["c.hashid: 'sha256:00' is no"], id="half a hashid"),
        pytest.param(UNDER + f"{{hashid: '{ADD.hashid}', kind: x}}\n", ["kind='x'", "CHIP_CALLABLE"], id="other kind"),
        pytest.param(
            UNDER + f"{{hashid: '{ADD.hashid}', kind: CHIP_CALLABLE, sources: {{a: {{}}}}}}\n",
            ["c.sources: must map names to texts"],
            id="a source that is no text",
        ),
        pytest.param("<<<<<<< ours\nversion: 1\n=======\n", ["merge conflict", "lock=write"], id="a merge conflict"),
    ],
)
def test_an_error_in_a_lock_is_reported(text, words):
    said = problem_with(text)
    assert said
    assert [word for word in words if word not in said] == []
    assert "\n" not in said


def test_a_file_that_is_no_text_is_reported(tmp_path):
    lock_file(tmp_path).path.write_bytes(b"version: 1 \xff")
    with pytest.raises(ConfigurationError, match=r"lock\.yaml: not UTF-8 at byte 11"):
        lock_file(tmp_path).read()


def test_a_killed_writer_leaves_the_old_file_unchanged(tmp_path):
    file = lock_file(tmp_path)
    file.update("one", "target", {"add": ADD})
    before = file.path.read_bytes()
    process = multiprocessing.get_context("spawn").Process(target=die_before_the_rename, args=(str(tmp_path),))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert file.path.read_bytes() == before
    file.update("two", "target", {"add": ADD})
    assert file.read().document.workloads.keys() == {"one", "two"}


@pytest.mark.parametrize("kind", [threading.Thread, multiprocessing.get_context("spawn").Process])
def test_writers_at_the_same_time_lose_nothing(tmp_path, kind):
    count = 4
    barrier = (threading if kind is threading.Thread else multiprocessing.get_context("spawn")).Barrier(count)
    writers = [kind(target=write_once, args=(str(tmp_path), number, barrier)) for number in range(count)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    workloads = lock_file(tmp_path).read().document.workloads
    assert {name: len(targets) for name, targets in workloads.items()} == {f"workload {n}": 5 for n in range(count)}
    assert [path.name for path in tmp_path.iterdir()] == ["lock.yaml"]


def test_a_file_with_the_same_content_in_another_form_is_not_changed(tmp_path):
    file = lock_file(tmp_path)
    file.path.write_text(
        json.dumps({"version": 1, "workloads": {"w": {"t": {"add": {"hashid": ADD.hashid, "kind": "CHIP_CALLABLE"}}}}})
    )
    before = file.path.read_bytes()
    _, new = file.update("w", "t", {"add": LockedCallable(ADD.hashid, ADD.kind)})
    assert (new, file.path.read_bytes()) == (False, before)


def test_a_callable_that_changed_between_its_comparison_and_its_registration_is_refused():
    locked = Locked(None, {"add": ADD}, "", "matches")
    require_registered(locked, Registered(None, {"add": CallableHandle(ADD.hashid, ADD.kind, "LOCAL_CHIP")}))
    other = CallableHandle("sha256:" + "c" * 64, ADD.kind, "LOCAL_CHIP")
    with pytest.raises(LockMismatch, match=r"add: sha256:a+ when it was locked, registered sha256:c+: its source"):
        require_registered(locked, Registered(None, {"add": other}))


def test_a_link_to_a_lock_stays_a_link(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "link.yaml").symlink_to(tmp_path / "shared" / "lock.yaml")
    file = choose_lock_file("link.yaml", [], tmp_path)
    file.update("w", "t", {"add": ADD})
    assert file.name == "link.yaml"
    assert (tmp_path / "link.yaml").is_symlink()
    assert parse_lock((tmp_path / "shared" / "lock.yaml").read_text()).workloads.keys() == {"w"}


def test_messages_name_a_lock_outside_of_the_current_folder_by_its_file_name(tmp_path):
    assert choose_lock_file("../sums.yaml", [], tmp_path / "here").name == "sums.yaml"
    assert choose_lock_file("", [tmp_path / "mine", tmp_path / "theirs"], tmp_path).name == "mine/callables.lock.yaml"
