"""A lock records the bytes of callables: it is written on request, and compared before any process starts."""

import json
import re
import shutil

import pytest

from pipeline.lock.document import parse_lock

from .conftest import FIXTURES, Command

LOCK = "callables.lock.yaml"
SMALL = ("workload=vector_add", "workload.size=4096")
WRONG_SUM = (*SMALL, "callable@workload.callables.add=wrong_sum")
CHECKED_SUM = ("workload=checked_sum", "python_packages=[pipeline,user_programs]")
HASHID = re.compile(r"sha256:[0-9a-f]{64}")
RUN = "hydra.run.dir=run"


class Clone(Command):
    """A user's folder: configs, kernels and Python modules, with the command started inside of it."""

    def __init__(self, folder, store):
        shutil.copytree(FIXTURES, folder, ignore=shutil.ignore_patterns("__pycache__"))
        super().__init__(folder, store)

    def __call__(self, *arguments):
        return super().__call__("--config-dir", "conf", *arguments, RUN)

    @property
    def lock(self):
        return self.folder / "conf" / LOCK

    @property
    def result(self):
        return json.loads((self.folder / "run" / "result.json").read_text())

    def locked(self, workload="vector_add", target="a2a3sim/host_build_graph"):
        return parse_lock(self.lock.read_text()).workloads[workload][target]

    def change(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def clone(tmp_path, session_store):
    return Clone(tmp_path / "clone", session_store)


@pytest.fixture
def locked_clone(clone):
    assert clone(*WRONG_SUM, "stage=build", "lock=write").code == 0
    return clone


def contents_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def assert_refused(done, code, *words):
    assert done.code == code, done.out + done.err
    assert [word for word in words if word not in done.err] == []
    assert done.err.count("error: ") == 1
    assert "Traceback" not in done.err + done.out


def test_a_run_with_a_matching_lock_succeeds(clone):
    written = clone(*SMALL, "+topology=chip2", "lock=write")
    assert written.code == 0, written.err
    assert re.search(r"^written +conf/callables\.lock\.yaml +[0-9a-f]{8}$", written.out, re.MULTILINE)
    assert clone.result["lock"]["outcome"] == "written"
    checked = clone(*SMALL, "+topology=chip2", "lock=check")
    assert checked.code == 0, checked.err
    assert re.search(r"^locked +conf/callables\.lock\.yaml +[0-9a-f]{8}$", checked.out, re.MULTILINE)
    result = clone.result
    assert result["status"] == "ok"
    assert [stage["name"] for stage in result["stages"]][:4] == ["describe", "build", "lock", "load"]
    assert result["lock"]["outcome"] == "matches"
    assert result["lock"]["file"] == f"conf/{LOCK}"
    assert {c["name"]: c["hashid"] for c in result["callables"]} == {"add": clone.locked()["add"].hashid}


def test_a_lock_names_sources_and_headers_without_the_machines_folders(locked_clone):
    text = locked_clone.lock.read_text()
    assert "kernels/wrong_sum.cpp: " in text
    assert "callring/chip.h: " in text
    assert str(locked_clone.folder) not in text
    assert "/tmp" not in text


def test_a_second_writing_changes_nothing(locked_clone):
    before = locked_clone.lock.stat().st_ino
    assert "unchanged " in locked_clone(*WRONG_SUM, "stage=build", "lock=write").out
    assert locked_clone.lock.stat().st_ino == before


def test_without_lock_nothing_is_read_or_written(locked_clone):
    locked_clone.lock.write_text("{")
    assert locked_clone(*WRONG_SUM, "stage=build").code == 0
    assert locked_clone.lock.read_text() == "{"
    assert locked_clone.result["lock"] is None


def test_a_changed_kernel_line_is_refused_before_anything_starts(locked_clone):
    (before,) = HASHID.findall(locked_clone.lock.read_text())
    locked_clone.change("kernels/wrong_sum.cpp", "100", "200")
    done = locked_clone(*WRONG_SUM, "lock=check")
    assert_refused(done, 3, "add: locked", before, "sources: kernels/wrong_sum.cpp: sha256", "lock=write")
    assert len(set(HASHID.findall(done.err))) == 2
    assert "differs " in done.out
    assert "started" not in done.out
    result = locked_clone.result
    assert (result["status"], result["exit_code"]) == ("build_failed", 3)
    assert (result["lock"]["outcome"], result["lock"]["differing"]) == ("differs", ["add"])


def test_a_comment_that_changes_no_byte_is_accepted(locked_clone):
    source = locked_clone.folder / "kernels" / "wrong_sum.cpp"
    source.write_text(source.read_text() + "// a comment\n")
    assert locked_clone(*WRONG_SUM, "stage=build", "lock=check").code == 0


def test_a_changed_header_is_named_beside_its_source(clone):
    (clone.folder / "kernels" / "step.h").write_text("#define STEP 100\n")
    clone.change("kernels/wrong_sum.cpp", "100", "STEP")
    clone.change("kernels/wrong_sum.cpp", "#include <callring/chip.h>", '#include <callring/chip.h>\n#include "step.h"')
    assert clone(*WRONG_SUM, "stage=build", "lock=write").code == 0
    (clone.folder / "kernels" / "step.h").write_text("#define STEP 200\n")
    done = clone(*WRONG_SUM, "stage=build", "lock=check")
    assert_refused(done, 3, "sources: kernels/step.h: sha256")
    assert "wrong_sum.cpp" not in done.err


def test_changed_flags_and_sources_are_reported(locked_clone):
    done = locked_clone(*WRONG_SUM, "stage=build", "lock=check", "build.kernel_flags=[-O0]")
    assert_refused(done, 3, "flags: nothing locked, -O0 now")
    done = locked_clone(*SMALL, "stage=build", "lock=check")
    assert_refused(
        done, 3, "entry: wrong_sum locked, vector_add now", "pipeline/kernels/vector_add.cpp: nothing locked"
    )


def test_an_edited_lock_is_reported_as_edited(locked_clone):
    (hashid,) = HASHID.findall(locked_clone.lock.read_text())
    locked_clone.change(f"conf/{LOCK}", hashid, "sha256:" + "0" * 64)
    done = locked_clone(*WRONG_SUM, "stage=build", "lock=check")
    assert_refused(done, 3, "sha256:" + "0" * 64, "no source, flag, signature or compiler")


def test_every_callable_that_differs_is_named_including_new_and_removed_ones(clone):
    assert clone(*CHECKED_SUM, "stage=build", "lock=write").code == 0
    clone.change(f"conf/{LOCK}", "      look:", "      gaze:")
    done = clone(*CHECKED_SUM, "stage=build", "lock=check")
    assert_refused(done, 3, "2 callables", "look: not in the lock, built sha256:", "gaze: locked sha256:", "no longer")


def test_a_changed_python_module_changes_only_its_own_entry(clone):
    assert clone(*CHECKED_SUM, "stage=build", "lock=write").code == 0
    before = clone.locked("checked_sum")
    clone.change("user_programs/callables.py", "no good", "not good")
    done = clone(*CHECKED_SUM, "stage=build", "lock=check")
    assert_refused(done, 3, "1 callable ", "look: locked", "sources: user_programs.callables: sha256")
    assert clone(*CHECKED_SUM, "stage=build", "lock=write").code == 0
    after = clone.locked("checked_sum")
    assert before.keys() == after.keys() == {"add", "look"}
    assert [name for name in before if before[name] != after[name]] == ["look"]


def test_a_pickled_callable_is_compared_by_its_source_and_the_message_says_why_it_may_differ(clone):
    pickled = (*CHECKED_SUM, "+workload.callables.look.pickle_by_value=true", "stage=build")
    assert clone(*pickled, "lock=write").code == 0
    assert str(clone.locked("checked_sum")["look"].kind) == "PYTHON_SERIALIZED"
    assert clone(*pickled, "lock=check").code == 0
    clone.change("user_programs/callables.py", "no good", "not good")
    done = clone(*pickled, "lock=check")
    assert_refused(done, 3, "look: locked", "user_programs.callables: sha256", "versions of Python and cloudpickle")


ON_NODES = ("+topology=pod", "workload=sums_on_nodes", "python_packages=[pipeline,user_programs]")
SECOND = (
    "+callable@workload.callables.second=add_on_chips",
    "workload.callables.second.target=user_programs.nodes:calls_the_first",
)


def test_callables_that_take_handles_are_locked_in_every_process_as_they_are_registered(clone):
    assert clone(*ON_NODES, *SECOND, "stage=build", "lock=write").code == 0
    written = clone.locked("sums_on_nodes")
    assert list(written["second"].facts["handles"]) == ["add", "add_on_chips"]
    assert written["second"].facts["handles"]["add_on_chips"] == written["add_on_chips"].hashid
    done = clone(*ON_NODES, *SECOND, "lock=check")
    assert done.code == 0, done.err
    assert "verified" in done.out
    assert clone.result["lock"]["outcome"] == "matches"
    registered = {callable_["name"]: callable_["hashid"] for callable_ in clone.result["callables"]}
    assert registered == {name: callable_.hashid for name, callable_ in written.items()}


def test_a_captured_handle_explains_why_a_callable_differs(clone):
    assert clone(*ON_NODES, *SECOND, "stage=build", "lock=write").code == 0
    done = clone(*ON_NODES, *SECOND, "stage=build", "lock=check", "callable@workload.callables.add=wrong_sum")
    assert_refused(done, 3, "3 callables", "handles: add: sha256:", "handles: add_on_chips: sha256:")


def test_a_plan_says_that_a_callable_that_takes_handles_is_locked_only_by_a_build(clone):
    assert clone(*ON_NODES, "stage=build", "lock=write").code == 0
    assert "would check conf" in clone(*ON_NODES, "stage=plan", "lock=check").out
    clone.change(f"conf/{LOCK}", "      add_on_chips:", "      others:")
    assert "add_on_chips: not in the lock" in clone(*ON_NODES, "stage=plan", "lock=check").out


def test_a_lock_holds_for_every_topology(clone):
    assert clone(*CHECKED_SUM, "+topology=node", "stage=build", "lock=write").code == 0
    assert clone(*CHECKED_SUM, "+topology=chip1", "stage=build", "lock=check").code == 0


def test_clones_in_different_folders_have_the_same_lock(tmp_path):
    texts = []
    for place in ("here", "there/and/deeper"):
        clone = Clone(tmp_path / place, tmp_path / "store")
        (clone.folder / "kernels" / "chip.h").write_text("#include <callring/chip.h>\n")
        clone.change("kernels/wrong_sum.cpp", "<callring/chip.h>", '"chip.h"')
        # Also by an absolute path, which must not get into the lock.
        source = f"workload.callables.add.source={clone.folder / 'kernels' / 'wrong_sum.cpp'}"
        assert clone(*CHECKED_SUM, source, "stage=build", "lock=write").code == 0
        assert clone(*WRONG_SUM, "stage=build", "lock=write").code == 0
        texts.append(clone.lock.read_text())
    assert texts[0] == texts[1]


def test_other_workloads_and_targets_are_kept(locked_clone):
    before = locked_clone.locked()
    assert locked_clone(*WRONG_SUM, "target=a5sim", "stage=build", "lock=write").code == 0
    assert locked_clone(*CHECKED_SUM, "stage=build", "lock=write").code == 0
    assert locked_clone.locked() == before
    assert locked_clone.locked("vector_add", "a5sim/host_build_graph").keys() == {"add"}
    assert locked_clone.locked("checked_sum").keys() == {"add", "look"}


def test_a_plan_says_whether_it_would_match_and_changes_nothing(locked_clone):
    plan = (*WRONG_SUM, "stage=plan")
    before = contents_of(locked_clone.folder)
    done = locked_clone(*plan, "lock=check")
    assert (done.code, "would match conf" in done.out) == (0, True)
    assert "unchanged   conf" in locked_clone(*plan, "lock=write").out
    done = locked_clone(*plan, "lock=check", "build.kernel_flags=[-O3]")
    assert (done.code, "would check conf" in done.out) == (0, True)
    assert contents_of(locked_clone.folder) == before


def test_a_plan_reports_a_difference_that_would_be_refused(locked_clone):
    hashid = locked_clone.locked()["add"].hashid
    locked_clone.change(f"conf/{LOCK}", hashid, "sha256:" + "0" * 64)
    done = locked_clone(*WRONG_SUM, "stage=plan", "lock=check")
    assert done.code == 0
    assert "would fail  conf" in done.out
    assert f"add: locked sha256:{'0' * 64}, built {hashid}" in done.out


def test_a_sweep_writes_one_entry_for_each_target(clone):
    done = clone("-m", *WRONG_SUM, "target=a2a3sim,a5sim", "stage=build", "lock=write", "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    assert clone.locked()["add"].hashid != clone.locked(target="a5sim/host_build_graph")["add"].hashid


def test_without_configs_of_a_user_the_lock_is_where_the_command_was_started(command):
    assert command(*SMALL, "stage=build", "lock=write", RUN).code == 0
    assert (command.folder / LOCK).is_file()


def test_a_search_path_is_a_users_folder_too(tmp_path, session_store):
    command = Command(tmp_path, session_store)
    (tmp_path / "mine").mkdir()
    assert command(*SMALL, "stage=build", "lock=write", RUN, "hydra.searchpath=[file://mine]").code == 0
    assert (tmp_path / "mine" / LOCK).is_file()


def test_a_lock_file_can_be_named_relative_to_where_the_command_was_started(command):
    named = (*SMALL, "stage=build", "lock_file=sums.lock.yaml", RUN, "hydra.job.chdir=true")
    assert command(*named, "lock=write").code == 0
    assert (command.folder / "sums.lock.yaml").is_file()
    assert "locked      sums.lock.yaml" in command(*named, "lock=check").out


def test_a_missing_lock_or_entry_is_reported(locked_clone):
    check = ("stage=build", "lock=check")
    assert_refused(locked_clone(*WRONG_SUM, *check, "lock_file=no.yaml"), 1, "no.yaml", "does not exist", "lock=write")
    done = locked_clone("workload=matmul", *check)
    assert_refused(done, 1, f"conf/{LOCK}", "no workload=matmul", "known are vector_add", "lock=write")
    done = locked_clone(*WRONG_SUM, *check, "target=a5sim")
    assert_refused(done, 1, "not for a5sim/host_build_graph", "known are a2a3sim/host_build_graph", "lock=write")


@pytest.mark.parametrize("lock", ["check", "write"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("version: [", ["line 1", "YAML"], id="no YAML"),
        pytest.param("version: 2\nworkloads: {}\n", ["version='2'", "version 1"], id="an unknown version"),
        pytest.param("", ["mapping"], id="an empty file"),
    ],
)
def test_an_invalid_lock_is_reported_and_not_changed(clone, lock, content, words):
    clone.lock.write_text(content)
    assert_refused(clone(*WRONG_SUM, "stage=build", f"lock={lock}"), 1, f"conf/{LOCK}: ", *words)
    assert clone.lock.read_text() == content


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["lock=chek"], ["lock=chek", "off, write, check", "did you mean check?"], id="lock is misspelt"),
        pytest.param(["lock=false"], ["'off', in quotes"], id="lock is what YAML makes of off"),
        pytest.param(["lok=check"], ["lok", "did you mean lock?"], id="the key is misspelt"),
        pytest.param(["lock=check", "stage=describe"], ["lock=check", "stage=build"], id="nothing is built"),
        pytest.param(["lock=write", "workload.name=''"], ["workload.name", "missing"], id="a workload has no name"),
        pytest.param(["lock=write", "lock_file=no/lock"], ["no/lock", "does not exist"], id="no such folder"),
        pytest.param(["lock=write", "lock_file=conf"], ["conf: ", "directory"], id="the lock file is a folder"),
    ],
)
def test_a_mistake_about_the_lock_is_explained(clone, arguments, words):
    done = clone(*WRONG_SUM, "stage=build", *arguments)
    assert_refused(done, 1, *words)
    assert len(done.err.splitlines()) == 1


def test_a_lock_written_on_one_topology_holds_on_the_others(command):
    assert command("stage=build", "lock=write", RUN).code == 0  # without a sub-worker, classify is locked too
    assert command("+topology=node", "stage=build", "lock=check", RUN).code == 0
    softmax = ("workload=softmax", "stage=build", RUN)
    assert command(*softmax, "+topology=subs", "lock=write").code == 0
    assert command(*softmax, "+topology=node", "lock=check").code == 0
    refused = command(*softmax, "lock=check")
    assert_refused(refused, 1, "this topology has no sub-workers; choose another")
