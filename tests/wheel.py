"""``python tests/wheel.py``: checks that the Callring that is installed for this Python runs the main job.

Run it by its path and not as a module, so that no module of the checkout is found. The job runs in an empty folder with
an empty store, and must use the installed core without building one. Exit code 0 on success.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = ("PYTHONPATH", "CALLRING_CORE_DIR", "CALLRING_STORE")


def main():
    """Runs the job and prints its result. Returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="callring-wheel-") as folder:
        environment = {name: value for name, value in os.environ.items() if name not in HERE}
        environment["CALLRING_STORE"] = f"{folder}/store"
        where = _run(folder, environment, "-c", "import pipeline, runtime; print(pipeline.__file__, runtime.__file__)")
        if where.count("site-packages") != 2:
            sys.exit("these modules are not the installed ones")
        _run(folder, environment, "-m", "pipeline", "+topology=chip2", "hydra.run.dir=run")
        result = json.loads(Path(folder, "run", "result.json").read_text())
        actions = [action for stage in result["stages"] for action in stage["actions"]]
        core = [action["word"] for action in actions if action["name"].startswith("core")]
        print(f"status {result['status']}, core {', '.join(core)}")
        return 0 if result["status"] == "ok" and core[-1:] == ["loaded"] and "built" not in core else 1


def _run(folder, environment, *arguments):
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="")
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ends with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
