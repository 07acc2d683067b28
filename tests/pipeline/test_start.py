"""The modules that a run of the command imports."""

from pipeline.hydra_glue.versions import HYDRA

# What a run without a sweep, whose builds are there, must not import, and when it is needed.
LATER = {
    "email": "importlib.metadata imports it: when a version is looked up that the store has not noted",
    "numpy.ma": "never: numpy.unique imports it",
    "optuna": "a sweep asks it for points",
    "pipeline.admin.commands": "the installation is maintained",
    "pipeline.live.server": "a run is watched",
    "pipeline.sweep.launch": "a sweep",
    "pydoc": "never",
    "statistics": "a run is measured more than once",
}


def test_a_run_that_builds_nothing_imports_nothing_that_only_other_runs_need(command):
    arguments = ("+topology=chip8", "hydra.run.dir=out")
    assert command(*arguments).code == 0  # builds
    with command.start(*arguments, program=("-X", "importtime", "-m", "pipeline")) as process:
        _, err = process.communicate()
    assert process.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in err.splitlines() if line.startswith("import time:")}
    assert "pipeline.run.job" in imported
    of_hydra = {"email"} if HYDRA >= (1, 4) else set()  # it asks importlib.metadata for its plugins
    assert not imported & LATER.keys() - of_hydra
