"""Files of the user that shadow Callring's packages are named, and not executed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import PROJECT

DESCRIBE = ("workload=vector_add", "workload.size=4096", "stage=describe")
AS_INSTALLED = """
import sys
# An editable install has a finder that comes before the search path; an ordinary install does not.
sys.meta_path[:] = [finder for finder in sys.meta_path if "Redirect" not in type(finder).__name__]
sys.path.insert(0, ".")
from pipeline.__main__ import main
main()
"""
MARK = "from pathlib import Path\nPath(__file__).with_name('mark').write_text('executed')\n"


@pytest.mark.parametrize(
    ("name", "shadowed"),
    [
        ("runtime", f"Callring's package {PROJECT / 'runtime'}"),
        ("hydra_plugins", "hydra_plugins, where Hydra looks for plugins"),
    ],
)
def test_a_users_module_that_shadows_a_package_is_named_and_not_executed(command, name, shadowed):
    mine = command.folder / f"{name}.py"
    mine.write_text(MARK)
    with command.start(*DESCRIBE, program=("-c", AS_INSTALLED)) as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith(f"error: {mine} shadows {shadowed}: rename it, or start from another ")
    assert "the command callring does not look for modules in the current one" in err
    assert len(err.splitlines()) == 1
    assert not (command.folder / "mark").exists()


def test_the_command_callring_does_not_import_from_the_working_directory(command):
    program = Path(sys.executable).parent / "callring"
    if not program.exists():
        pytest.skip("callring is not installed beside this Python")
    for name in ("runtime", "pipeline", "hydra_plugins", "numpy", "yaml", "conf"):
        (command.folder / f"{name}.py").write_text(MARK)
    environment = {name: value for name, value in command.environment.items() if name != "PYTHONPATH"}
    given = ("workload=softmax", "+topology=subs", "hydra.run.dir=run")
    done = subprocess.run(
        [program, *given], cwd=command.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (command.folder / "mark").exists()


@pytest.mark.parametrize("installed", [True, False])
def test_a_checkout_without_a_core_that_shadows_an_installation_is_named(tmp_path, installed):
    checkout, site = tmp_path / "checkout", tmp_path / "site"
    for name in ("pipeline", "runtime"):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "__init__.py").write_text("")
    (checkout / "pipeline" / "admin").mkdir()
    for name in ("__init__.py", "shadowed.py"):
        shutil.copy(PROJECT / "pipeline" / "admin" / name, checkout / "pipeline" / "admin")
    (site / "pipeline").mkdir(parents=True)
    if installed:
        (site / "callring-0.1.0.dist-info").mkdir()
        (site / "callring-0.1.0.dist-info" / "METADATA").write_text("Name: callring\nVersion: 0.1.0\n")
    program = f"import sys; sys.path[:0] = {[str(checkout), str(site)]}; from pipeline.admin.shadowed import shadowed"
    environment = {name: value for name, value in os.environ.items() if name != "CALLRING_CORE_DIR"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{program}; print(shadowed())"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    here = checkout / "pipeline"
    if installed:
        assert done.stdout.startswith(
            f"{here} shadows the installed {site / 'pipeline'}, and its native core is not built: "
        )
    else:
        assert done.stdout == f"the native core of {checkout} is not built: pip install -e {checkout}\n"
