import re
import subprocess
import sys
from pathlib import Path

from tests.patience import patience

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()


def test_the_library_example_of_the_readme_runs(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=patience(60), check=False)
    assert done.returncode == 0, done.stderr


def test_ci_runs_the_test_command_of_the_readme():
    assert "grep -F \"'.[dev]'\" README.md" in (ROOT / ".ci" / "run").read_text()
    assert len([line for line in README.splitlines() if "'.[dev]'" in line]) == 1
