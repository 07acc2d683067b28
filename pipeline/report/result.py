"""result.json: all data of one run for programs, written in one step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.common.files import write_atomically
from pipeline.report.statistics import measurements, task_statistics

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.report.record import RunRecord
    from pipeline.terminal.actions import StageRecord

RESULT_VERSION = 2
"""Increased when a key changes its meaning or is removed."""

STATUS = {
    0: "ok",
    1: "error",
    3: "build_failed",
    4: "failed",
    5: "worker_lost",
    6: "slower",
    130: "interrupted",
    141: "interrupted",
}
"""The statuses by exit code."""


def result_document(record: RunRecord) -> dict[str, Any]:
    """The content of result.json for a run, in reading order.

    Durations are seconds; those of ``virtual`` (virtual.py) are computed nanoseconds. ``measurements`` and
    ``tasks`` are described in statistics.py, ``provenance`` in provenance.
    """
    verification = record.verification
    return {
        "version": RESULT_VERSION,
        "status": STATUS.get(record.exit_code, "error"),
        "exit_code": record.exit_code,
        "error": record.error,
        "workload": record.workload,
        "topology": record.topology,
        "target": record.target,
        "build": record.build,
        "verification": None
        if verification is None
        else {"passed": verification.passed, "figures": dict(verification.figures), "message": verification.message},
        "callables": [
            {"name": c.name, "kind": c.kind, "hashid": c.hashid, "target_namespace": c.target_namespace}
            for c in record.callables
        ],
        "lock": None if record.lock is None else record.lock._asdict(),
        "seconds": sum(stage.seconds for stage in record.stages),
        "stages": [stage_document(stage) for stage in record.stages],
        "measurements": measurements(
            record.run_seconds, record.warm_up, record.trace, record.names, record.warm_up_seconds
        ),
        "tasks": task_statistics(record.trace, record.names, record.warm_up),
        "virtual": _virtual(record),
        "engine": _engine(record),
        "provenance": dict(record.provenance),
        "overrides": list(record.overrides),
        "configuration": dict(record.configuration),
    }


def result_text(document: Mapping[str, Any]) -> str:
    """The document as JSON. NumPy's scalars become plain; NaN and infinities, which JSON lacks, become words."""
    return json.dumps(plain_values(document), indent=2, allow_nan=False, ensure_ascii=False)


def write_result(path: Path, document: Mapping[str, Any]) -> None:
    """Writes ``result_text`` to ``path``."""
    write_atomically(path, result_text(document).encode() + b"\n")


def stage_document(stage: StageRecord) -> dict[str, Any]:
    """An entry of ``stages``."""
    return {"name": stage.name, "seconds": stage.seconds, "actions": [action._asdict() for action in stage.actions]}


def _engine(record: RunRecord) -> dict[str, Any] | None:
    """The engine and its hosts; None for nodes of this machine."""
    if not record.engine.is_remote:
        return None
    return {
        "kind": record.engine.kind,
        "address": record.engine.address,
        "versions": record.hosts[0].versions if record.hosts else {},
        "hosts": [
            {
                "node": host.node,
                "machine": host.machine,
                "facts": host.facts,
                "clock_bound_seconds": host.clock_bound_ns / 1e9 if host.clock_bound_ns else None,
                "sent_bytes": host.sent_bytes,
                "received_bytes": host.received_bytes,
            }
            for host in record.hosts
        ],
    }


def _virtual(record: RunRecord) -> dict[str, Any] | None:
    if record.virtual is None:
        return None
    from pipeline.report.virtual import virtual_document

    return virtual_document(record.virtual)


def plain_values(value: Any) -> Any:
    """The value with plain numbers instead of NumPy's scalars, and a word for every number that JSON lacks."""
    if isinstance(value, Mapping):
        return {key: plain_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_values(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
