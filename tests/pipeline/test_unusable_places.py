"""A folder that a run cannot write, or that is missing, is reported in one line, with the key that chooses another."""

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.admin.prune import prune

from .conftest import Command

CASES = yaml.safe_load(Path(__file__).with_name("unusable_places.yaml").read_text())
SMALL = ("workload=vector_add", "workload.size=4096")
RUN = "hydra.run.dir=run"


def in_a_namespace(script):
    return ["unshare", "--mount", "--propagation", "private", "bash", "-euc", script]


def can_mount():
    if not shutil.which("unshare") or os.geteuid() != 0:
        return False
    tried = in_a_namespace("mount -t tmpfs -o size=64k none /mnt")
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="needs root, and mount namespaces")


class Places(Command):
    """The command with its own mounts, which hide folders or make them read-only: permission bits do not bind root."""

    def mounted(self, mounts, *arguments, without=()):
        environment = {name: value for name, value in self.environment.items() if name not in without}
        command = [
            *in_a_namespace(f'{mounts}\ncd "$PWD"\nexec "$@"'),
            "bash",
            sys.executable,
            "-m",
            "pipeline",
            *arguments,
        ]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def places(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    return Places(folder, tmp_path / "store")


def read_only(folder):
    return f"mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"


def full(folder):
    return (
        f"mkdir -p {folder}; mount -t tmpfs -o size=64k none {folder}; head -c 65536 /dev/zero > {folder}/zeros || true"
    )


def assert_short(done, code, *words, lines=1):
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == lines, done.stderr
    assert done.stderr.startswith("error: ")
    assert [word for word in words if word not in done.stderr] == []


@needs_mounts
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_place_that_cannot_be_used_is_named_with_its_key(places, tmp_path, case):
    def named(text):
        for word, mount in (("read-only", read_only), ("full", full)):
            text = re.sub(rf"<{word} (.*?)>", lambda found, mount=mount: mount(found[1]), text)
        return text.replace("TMP", str(tmp_path))

    done = places.mounted(named(case["mounts"]), *map(named, case["run"]), *SMALL)
    assert_short(done, case["code"], *map(named, case["says"].split("...")), lines=case.get("lines", 1))
    left = [path for path in tmp_path.rglob(".*") if path.name not in (".hydra", ".cache")]
    assert left == []


@needs_mounts
@pytest.mark.parametrize("size", [8, 24, 100, 160], ids="{} KiB".format)
def test_a_sweep_that_fills_the_disk_reports_it_and_still_prints_its_table(places, tmp_path, size):
    mounts = f"mkdir {tmp_path}/small; mount -t tmpfs -o size={size}k none {tmp_path}/small"
    done = places.mounted(mounts, "-m", f"hydra.sweep.dir={tmp_path}/small", "workload.seed=1,2", *SMALL)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "cannot be written: No space left on device" in done.stderr
    assert "hydra.sweep.dir=FOLDER" in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if re.match(r"[01] +[12] ", line)] == ["0", "1"]
    assert "sweep       2 points" in done.stdout


@needs_mounts
def test_tables_without_room_on_the_disk_are_an_error_of_the_disk(places, tmp_path):
    program = (
        "from pathlib import Path; from pipeline.sweep.tables import write_parquet;"
        f"write_parquet(Path('{tmp_path}/full/results.parquet'), [{{'job': 1}}])"
    )
    command = in_a_namespace(f'{full(tmp_path / "full")}; exec "$@"')
    done = subprocess.run(
        [*command, "bash", sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == "OSError: [Errno 28] No space left on device"


@needs_mounts
def test_a_plan_needs_no_writable_folder(places):
    folders = [folder for folder in ("/tmp", "/var/tmp", "/usr/tmp") if Path(folder).is_dir()]
    done = places.mounted("; ".join(map(read_only, [*folders, places.folder])), "stage=plan", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")


@needs_mounts
def test_builds_run_from_a_read_only_store_and_without_a_compiler(places, tmp_path):
    assert places(*SMALL, RUN).code == 0
    done = places.mounted(f"{read_only(tmp_path / 'store')}; export PATH={tmp_path}", *SMALL, RUN)
    assert done.returncode == 0, done.stderr
    assert "cached      add" in done.stdout
    assert done.stderr == ""


@needs_mounts
@pytest.mark.parametrize(
    ("mounts", "said"),
    [
        (read_only("{tmp}/here"), r"missing +working directory +Read-only file system"),
        ("mkdir {tmp}/store; " + read_only("{tmp}/store"), r"missing +folder +.*store: Read-only file system"),
        (full("{tmp}/store"), r"missing +folder +.*store: (0 MiB are left|No space left on device)"),
        ("unset HOME", r"warning +home +HOME is not set"),
    ],
    ids=["working directory", "store", "full store", "home"],
)
def test_the_doctor_reports_unusable_places(places, tmp_path, mounts, said):
    done = places.mounted(mounts.replace("{tmp}", str(tmp_path)), "stage=doctor")
    assert re.search(said, done.stdout), done.stdout + done.stderr


def test_a_removed_working_directory_is_reported(inside, tmp_path):
    (tmp_path / "inside").rmdir()
    done = inside(*SMALL)
    assert (done.code, done.err) == (1, "error: the working directory no longer exists; cd to an existing one\n")


def test_a_store_needs_a_home_or_a_path(inside, monkeypatch):
    def no_entry(number):
        raise KeyError(number)

    for name in ("HOME", "CALLRING_STORE"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    done = inside(*SMALL)
    assert done.code == 1
    assert "error: store.path='': no home directory is known, set HOME; or choose another with store.path" in done.err
    assert "no home directory is known" in inside("stage=doctor").out


def test_a_store_belongs_to_its_user_alone(places, tmp_path):
    assert places(*SMALL, RUN).code == 0
    assert [oct((tmp_path / "store" / name).stat().st_mode & 0o777) for name in ("", "callables")] == ["0o700"] * 2
    (tmp_path / "store" / "callables").chmod(0o755)
    prune(tmp_path / "store", 30, 0)
    assert places(*SMALL, RUN).code == 0
    assert (tmp_path / "store" / "callables").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")
def test_an_entry_of_another_user_is_not_used(places, tmp_path):
    assert places(*SMALL, RUN).code == 0
    (blob,) = (tmp_path / "store" / "callables").glob("*/callable.blob")
    os.chown(blob, 65534, 65534)
    done = places(*SMALL, RUN)
    assert done.code == 0, done.err
    assert "damaged     add, in the store" in done.out
    assert "built       add" in done.out
    (blob,) = (tmp_path / "store" / "callables").glob("*/callable.blob")
    assert blob.stat().st_uid == 0


def test_lock_check_notices_an_entry_that_was_altered(places, tmp_path):
    assert places(*SMALL, "stage=build", "lock=write", RUN).code == 0
    store = tmp_path / "store" / "callables"
    (entry,) = store.glob("*/callable.blob")
    other = (*SMALL, "callable@workload.callables.add=vector_add_unrolled", "stage=build", RUN)
    assert places(*other).code == 0
    (unrolled,) = (blob for blob in store.glob("*/callable.blob") if blob != entry)
    for name in ("callable.blob", "manifest.json", "origin.json"):
        shutil.copy(unrolled.parent / name, entry.parent / name)
    assert json.loads((entry.parent / "manifest.json").read_text())
    done = places(*SMALL, "stage=build", "lock=check", RUN)
    assert done.code == 3, done.out
    assert "the store's entry was altered" in done.err
    entry.write_bytes(b"altered without its manifest")
    done = places(*SMALL, "stage=build", "lock=check", RUN)
    assert done.code == 0, done.err
    assert "damaged     add, in the store" in done.out
