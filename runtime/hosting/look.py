"""Looks for the machines of an engine, without hosting anything on them.

A process of its own imports the engine and connects to it: this process imports none, and a connection that never
answers can be ended.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

from runtime.errors import StartError
from runtime.hosting.door import Machine
from runtime.hosting.requirements import require_engine

if TYPE_CHECKING:
    from runtime.hosting.cluster import Cluster


def machines_of(cluster: Cluster, timeout: float = 30.0) -> list[Machine]:
    """The machines that an engine has now.

    Args:
        cluster: its address must not be ``"local"``, which would start an engine.
        timeout: seconds.

    Raises:
        PlatformUnavailable: the engine is not installed here.
        StartError: it does not answer, or not in time.
    """
    require_engine(cluster)
    program = f"import sys; sys.path[:] = {sys.path!r}; from runtime.child_side.engine_machines import main; main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=pickle.dumps(cluster),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StartError(f"{cluster.kind} at {cluster.address} does not answer within {timeout:g} s") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise StartError(f"{cluster.kind} at {cluster.address}: {last or f'status {done.returncode}'}") from None
    if isinstance(answer, str):
        raise StartError(answer)
    return [Machine(**machine) for machine in answer]
