"""A config file of another author only runs what it declares, and a plan does not even run that."""

import json
import re

import pytest
import yaml

from pipeline.config.compiler_flags import require_flags
from pipeline.config.trust import require_trusted
from runtime.errors import ConfigurationError

SMALL = ("workload=vector_add", "workload.size=4096")
LEAVES_A_MARK = """
from pathlib import Path
from pipeline.workloads.vector_add import Settings, VectorAdd

Path(__file__).with_name("mark").write_text("imported")


class Noting:
    def __init__(self, *args, **kwargs):
        pass


class Program(VectorAdd):
    settings_type = Settings


def function(*args, **kwargs):
    return {}
"""
REACHES = {
    "callbacks": "hydra: {callbacks: {mine: {_target_: foreign_code.Noting}}}",
    "a target anywhere": "workload: {x: {_target_: foreign_code.Noting}}",
    "a factory of logging": "hydra: {job_logging: {formatters: {f: {(): foreign_code.Noting}}}}",
    "a class of logging": "hydra: {hydra_logging: {handlers: {h: {class: foreign_code.Noting}}}}",
    "an object of logging": "hydra: {job_logging: {handlers: {h: {stream: 'ext://foreign_code.Noting'}}}}",
    "the environment of jobs": "hydra: {job: {env_set: {LD_PRELOAD: foreign.so}}}",
    "another sweeper": "hydra: {sweeper: {_target_: foreign_code.Noting}}",
    "packages": "python_packages: [pipeline, foreign_code]",
    "packages in a sweep": "hydra: {sweeper: {params: {python_packages: '[foreign_code]'}}}",
}


@pytest.fixture
def folder(tmp_path):
    """A folder of configs by another author, with a module that leaves a mark when it is imported."""
    made = tmp_path / "theirs"
    for group in ("benchmark", "workload", "callable"):
        (made / group).mkdir(parents=True)
    (made / "foreign_code.py").write_text(LEAVES_A_MARK)
    return made


def write(folder, name, text):
    (folder / f"{name}.yaml").write_text(text)
    return ("--config-dir", str(folder))


def assert_refused(done, folder, *words):
    assert done.code == 1, done.out + done.err
    assert done.err.startswith("error: ") or "error: " in done.err
    assert [word for word in words if word not in done.err] == []
    assert "Traceback" not in done.err + done.out
    assert not (folder / "mark").exists()


@pytest.mark.parametrize("what", REACHES)
def test_a_selected_config_cannot_run_more_than_it_declares(inside, folder, what):
    text = f"# @package _global_\n{REACHES[what]}\n"
    given = (*write(folder, "benchmark/theirs", text), "+benchmark=theirs", *SMALL)
    sweep = ("-m",) if "sweep" in what else ()
    assert_refused(inside(*sweep, *given), folder, "command line")


def test_the_command_line_may_set_keys_that_files_must_not(inside, folder):
    given = ("--config-dir", str(folder), *SMALL, "stage=describe", "+hydra.job.env_set.CALLRING_NOTED=1")
    assert inside(*given, "python_packages=[pipeline,foreign_code]").code == 0


@pytest.mark.parametrize("option", ["default", "stdout", "disabled"])
def test_hydras_own_options_of_logging_still_work(inside, option):
    given = (f"hydra/job_logging={option}", f"hydra/hydra_logging={'default' if option == 'stdout' else option}")
    done = inside(*SMALL, "stage=describe", *given)
    assert done.code == 0, done.err


@pytest.mark.parametrize("how", ["primary", "environment", "selected"])
def test_only_the_user_may_allow_packages(inside, folder, how, monkeypatch):
    text = "kind: python\ntarget: foreign_code:function\n"
    write(folder, "callable/look", text)
    given = ["--config-dir", str(folder), *SMALL, "stage=describe", "+callable@workload.callables.look=look"]
    packages = "python_packages: [pipeline, foreign_code]\n"
    if how == "primary":
        write(folder, "mine", f"defaults: [config, _self_]\n{packages}")
        given += ["--config-name", "mine"]
    elif how == "environment":
        monkeypatch.setenv("CALLRING_PYTHON_PACKAGES", "something, foreign_code")
    else:
        write(folder, "mine", "defaults: [config, benchmark: more, _self_]\n")
        write(folder, "benchmark/more", f"# @package _global_\n{packages}")
        given += ["--config-name", "mine"]
    done = inside(*given)
    if how == "selected":
        assert_refused(done, folder, "'foreign_code' is allowed by a config file that was selected", "--config-name")
    else:
        assert done.code == 0, done.err


DECLARED = {
    "name": "theirs",
    "defaults": [{"/callable@callables.add": "vector_add"}, {"/callable@callables.look": "look"}],
    "tensors": {"a": {"shape": [8]}, "b": {"shape": [8]}},
    "tasks": [{"callable": "add", "where": 0, "args": [{"in": "a"}, {"in": "a"}, {"out": "b"}]}],
    "verify": {"golden": "foreign_code:function"},
}
ORCHESTRATED = {key: value for key, value in DECLARED.items() if key != "tasks"}
ORCHESTRATED |= {"orchestration": "foreign_code:function"}
PROGRAM = {"name": "theirs", "defaults": DECLARED["defaults"][:1], "program": "foreign_code:Program", "size": 8}


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        (DECLARED, "1 task, 0 dependencies"),
        (ORCHESTRATED, "the tasks that foreign_code:function submits; a plan imports no code of yours"),
        (PROGRAM, "the tasks that foreign_code:Program submits; a plan imports no code of yours"),
    ],
    ids=["tasks", "orchestration", "program"],
)
@pytest.mark.parametrize("by_value", ["false", "true"])
def test_a_plan_imports_no_module_of_the_user(inside, folder, workload, said, by_value):
    target = f"kind: python\ntarget: foreign_code:function\npickle_by_value: {by_value}\n"
    write(folder, "callable/look", target)
    given = (*write(folder, "workload/theirs", yaml.safe_dump(workload)), "workload=theirs", "stage=plan")
    for more in ((), ("+topology=node",), ("+chip_model=example",), ("lock=write",)):
        done = inside(*given, "python_packages=[foreign_code]", *more)
        assert done.code == 0, done.err
        assert said in done.out
    assert not (folder / "mark").exists()


def test_a_plan_refuses_missing_targets_without_importing_any(inside, folder):
    write(folder, "callable/look", "kind: python\ntarget: foreign_code.nowhere:function\n")
    given = (*write(folder, "workload/theirs", yaml.safe_dump(DECLARED)), "workload=theirs", "stage=plan")
    assert_refused(inside(*given, "python_packages=[foreign_code]"), folder, "'foreign_code.nowhere' cannot be found")
    assert_refused(inside(*given), folder, "in none of the allowed packages")


@pytest.mark.parametrize(
    "flag",
    [
        *("-O2", "-O", "-Ofast", "-g", "-g3", "-ggdb", "-DNAME", "-DNAME=3", "-DF(x)=(x + 1)", "-UNAME", "-Iinclude"),
        *("-std=c++20", "-std=gnu++17", "-fno-omit-frame-pointer", "-fsanitize=address", "-funroll-loops", "-mavx2"),
        *("-march=native", "-m64", "-Wall", "-Werror=format", "-Wno-unused", "-ffp-contract=off", "-fopenmp"),
    ],
)
def test_flags_that_affect_the_generated_code_are_allowed(flag):
    require_flags([flag], "key")


@pytest.mark.parametrize(
    "flag",
    [
        *("-wrapper", "-fplugin=x.so", "-fplugin-arg-x-y", "-specs=x", "--specs=x", "-B.", "-Wp,-MD,x", "-Wa,-x"),
        *("-Wl,-x", "@file", "-o", "-ox", "-x", "-include", "-isystem", "-L.", "-lx", "-Xlinker", "-T", "-E"),
        *("-fuse-ld=./x", "-save-temps", "-fmodule-mapper=|touch mark", "-fdump-tree-all", "-fprofile-use=x"),
        *("-fprofile-generate", "-foffload=x", "-flto", "-fno-lto=x", "-mllvm", "--sysroot=x", "x.cpp", "", "-I"),
        *("-D", "-I-", "-O2\n-wrapper", "-dumpbase", "-fcallgraph-info", "-fopt-info=x", "-fself-test=x", "-W,x"),
        *("-gsplit-dwarf", "-fdiagnostics-format=sarif-file"),
    ],
)
def test_flags_that_load_or_run_a_file_are_refused_by_name(flag):
    with pytest.raises(ConfigurationError, match=re.escape(f"key[1]={flag!r}: allowed are -O -g ")):
        require_flags(["-O2", flag], "key")


@pytest.mark.parametrize("stage", ["plan", "describe", "build"])
def test_no_stage_starts_a_program_that_a_flag_names(inside, folder, stage):
    flags = f"[-wrapper,'touch,{folder}/mark']"
    for key in ("build.kernel_flags", "workload.callables.add.flags"):
        plus = "+" if "callables" in key else ""
        done = inside(*SMALL, f"{plus}{key}={flags}", f"stage={stage}")
        assert_refused(done, folder, f"{key}[0]='-wrapper'")


@pytest.mark.parametrize("written", ["false", "true"])
def test_values_of_environment_variables_are_used_and_not_written(inside, folder, monkeypatch, written):
    monkeypatch.setenv("CALLRING_SEED_FOR_A_TEST", "876543")
    from_environment = "${oc.decode:${oc.env:CALLRING_SEED_FOR_A_TEST}}"
    text = f"defaults: [vector_add, _self_]\nname: theirs\nseed: {from_environment}\nsize: ${{workload.seed}}\n"
    given = (*write(folder, "workload/theirs", text), "workload=theirs", f"report.environment={written}")
    done = inside(*given, "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert "876,543 elements agree" in done.out
    workload = json.loads((done.folder / "run" / "result.json").read_text())["configuration"]["workload"]
    if written == "true":
        assert (workload["seed"], workload["size"]) == (876543, 876543)
    else:
        assert (workload["seed"], workload["size"]) == (from_environment, "${workload.seed}")


@pytest.mark.parametrize("key", ["setup", "python", "srun_args", "additional_parameters"])
def test_only_the_command_line_sets_what_a_launcher_runs(key):
    config = {"python_packages": ["pipeline"], "hydra": {"launcher": {key: ["touch mark"]}}}
    with pytest.raises(ConfigurationError, match=rf"hydra.launcher.{key}\[0\]='touch mark': a config file must"):
        require_trusted(config, [], None)
    require_trusted(config, [f"hydra.launcher.{key}=[touch mark]"], None)
