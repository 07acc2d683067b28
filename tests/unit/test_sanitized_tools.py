"""Programs that tests run beside a sanitized core, without the sanitizer's runtime."""

import os
import subprocess

from tests.sanitized.sanitizers import without_runtime


def script(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_compiler_that_is_ccache_reaches_the_compiler_behind_it(tmp_path, monkeypatch):
    """As ccache does, the first g++ runs the next one in PATH; a wrapper in front must not be that one again."""
    first, behind, tools = (tmp_path / name for name in ("first", "behind", "tools"))
    script(behind / "g++", "echo compiled without ${LD_PRELOAD:-anything}")
    script(
        first / "g++",
        f'test -z "$RAN" || exit 1; export RAN=1; PATH="${{PATH%%{first}:*}}${{PATH#*{first}:}}" exec g++ "$@"',
    )
    monkeypatch.setenv("PATH", f"{first}:{behind}:{os.environ['PATH']}")
    tools.mkdir()
    without_runtime(tools)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "LD_PRELOAD": ""}
    done = subprocess.run(["g++"], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "compiled without anything\n", done.stderr
