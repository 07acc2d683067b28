import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def blocks(language):
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL))
    ]


@pytest.mark.parametrize("example", blocks("python"))
def test_python_examples_of_the_docs_run(example, tmp_path):
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_kernel_of_the_how_to_compiles_runs_and_is_told_to_differ(tmp_path):
    page = (ROOT / "docs" / "howto" / "write-a-kernel.md").read_text()
    (kernel,) = re.findall(r"```cpp\n(.*?)```", page, flags=re.DOTALL)
    (declaration,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    (command,) = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)
    folder = tmp_path / "my-folder"
    (folder / "callable").mkdir(parents=True)
    (folder / "halve_sum.cpp").write_text(kernel)
    (folder / "callable" / "halve_sum.yaml").write_text(declaration)
    words = command.split()[1:]
    done = subprocess.run(
        [sys.executable, *words, f"hydra.run.dir={tmp_path / 'run'}", f"store.path={tmp_path / 'store'}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "elements differ" in done.stdout + done.stderr


def test_the_commands_about_the_lock_do_what_the_page_says(tmp_path):
    page = (ROOT / "docs" / "howto" / "use-the-lock-in-ci.md").read_text()
    commands = [block.split() for block in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)]
    (tmp_path / "my-folder").mkdir()
    lock = tmp_path / "my-folder" / "callables.lock.yaml"

    def run(words, *more):
        given = [*words[1:], *more, f"hydra.run.dir={tmp_path / 'run'}", f"store.path={tmp_path / 'store'}"]
        return subprocess.run(
            [sys.executable, *given], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )

    write, check, plan = commands
    assert run(write).returncode == 0
    (excerpt,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    for line in excerpt.splitlines():
        # Digests and the compiler are those of the machine on which the page was written.
        key, colon, _ = line.partition(": ")
        assert f"\n{key}{colon}" in lock.read_text()
    assert run(check).returncode == 0
    assert "would match" in run(plan).stdout
    done = run(check, "callable@workload.callables.add=vector_add_unrolled")
    assert done.returncode == 3
    assert "add: locked" in done.stderr


def test_the_sweeps_and_the_comparison_do_what_the_page_says(tmp_path):
    page = (ROOT / "docs" / "howto" / "sweep-and-compare.md").read_text()
    commands = [block.split()[1:] for block in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)]

    def run(words):
        given = [sys.executable, *words, f"store.path={tmp_path / 'store'}"]
        return subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    monday, mistake, tuesday = map(run, commands)
    assert monday.returncode == 0, monday.stderr
    assert {"sweep.html", "results.csv", "0", "3"} <= {path.name for path in (tmp_path / "monday").iterdir()}
    assert mistake.returncode == 1
    assert "workload.size=-1: at least 1 element" in mistake.stderr
    assert tuesday.returncode in (0, 6), tuesday.stderr  # whether ten times slower, only the machine knows
    assert "ratio" in tuesday.stdout


def test_every_error_is_in_the_reference():
    from runtime import errors

    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CallringError)
    ]
    missing = [kind.__name__ for kind in kinds if kind is not errors.CallringError and kind.__name__ not in page]
    assert not missing
