"""The checks of stage=doctor for a topology whose nodes an engine hosts: ``+topology=cluster stage=doctor``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.admin.finding import Finding
from pipeline.plan.machines import planned_machines
from pipeline.plan.text import machines_words
from runtime.hosting.head import head_of
from runtime.hosting.requirements import missing, ray_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.config.topology import Level
    from runtime.hosting.cluster import Cluster

_FOR_AN_IMPORT = 120.0
_START = "start it with `ray start --head`, or topology.engine.address=local"


def engine_findings(tree: Level) -> Iterator[Finding]:
    """The findings; none for nodes of this machine."""
    engine = tree.engine
    if not engine.is_remote:
        return
    if engine.kind == "ray":
        lacking = missing(engine)
        if lacking:
            yield Finding("engine", "ray", "missing", lacking.partition(": ")[0], lacking.partition(": ")[2])
            return
        yield _imported()
        yield from security_of(engine)
        why = "" if engine.starts_here else head_of(engine)[1]
        if why:
            yield Finding("engine", "address", "missing", why, _START)
            return
    yield Finding("engine", "address", "ok", engine.address)
    machines = planned_machines(tree)
    assert machines is not None
    state = "ok"
    if machines.found is None and not engine.starts_here:
        state = "missing"
    elif machines.found is not None and len(machines.found) < machines.wanted:
        state = "warning"
    yield Finding(
        "engine", "machines", state, machines_words(machines), "" if state == "ok" else f"add machines, or {_START}"
    )


def _imported() -> Finding:
    """Whether a process can import Ray: another library may be in its way."""
    program = f"import sys; sys.path[:] = {sys.path!r}; import ray"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=_FOR_AN_IMPORT, check=False
        )
        why = "" if not done.returncode else done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}"
    except subprocess.TimeoutExpired:
        why = f"its import takes more than {_FOR_AN_IMPORT:g} s"
    if why:
        return Finding("engine", "ray", "missing", f"{ray_version()} cannot be imported: {why}", "pip install -U ray")
    return Finding("engine", "ray", "ok", ray_version())


def security_of(engine: Cluster) -> Iterator[Finding]:
    """What protects the connections, and whether its files can be used."""
    said = [f"token {engine.token}" if engine.token else "no token", "TLS" if engine.tls else "no TLS"]
    unreadable = [file for file in (engine.token, *engine.tls) if file and not os.access(file, os.R_OK)]
    if unreadable:
        yield Finding("engine", "security", "missing", f"cannot be read: {', '.join(unreadable)}", "give other files")
        return
    shared = [file for file in (engine.token, *engine.tls[1:2]) if file and Path(file).stat().st_mode & 0o077]
    if shared:
        mend = f"chmod 600 {' '.join(shared)}"
        yield Finding("engine", "security", "warning", f"other users may read {', '.join(shared)}", mend)
        return
    open_to_all = not engine.token and not engine.tls and not engine.starts_here
    mend = "topology.engine.token=FILE, unless every process that reaches Ray's ports is trusted" if open_to_all else ""
    yield Finding("engine", "security", "warning" if open_to_all else "ok", ", ".join(said), mend)
