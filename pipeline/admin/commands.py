"""doctor, prune and schema: the stages that maintain an installation; they run no workload."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.building.store import chosen_store
from pipeline.config.keys import checked
from pipeline.config.schema import StoreConfig
from pipeline.terminal.console import Console
from runtime.errors import ConfigurationError


def run_admin_stage(config: Mapping[str, Any]) -> int:
    """Runs the stage that the configuration names, and prints its result. Returns the exit code.

    Args:
        config: as plain values; see pipeline.config.schema.Config.
    """
    stages = {"doctor": _doctor, "prune": _prune, "schema": _schema}
    as_json = config["output"] == "json"
    try:
        checked(StoreConfig, config["store"], "store")
        return stages[config["stage"]](config, as_json)
    except (ConfigurationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _store(config: Mapping[str, Any]) -> Path:
    return chosen_store(config["store"]["path"])


def _doctor(config: Mapping[str, Any], as_json: bool) -> int:
    from pipeline.admin.doctor import findings
    from pipeline.config.topology import parse_topology

    console = Console(None if as_json else sys.stdout)
    found = []
    for finding in findings(config["store"]["path"], parse_topology(config["topology"])):
        found.append(finding)
        console.line(f"{finding.state:<12}{finding.name:<22} {finding.found}")
        if finding.mend:
            console.line(f"{'':<12}{'':<22} mend: {finding.mend}")
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    return 1 if any(finding.state == "missing" for finding in found) else 0


def _prune(config: Mapping[str, Any], as_json: bool) -> int:
    from pipeline.admin.prune import prune

    days, largest = config["store"]["max_age_days"], config["store"]["max_bytes"]
    console = Console(None if as_json else sys.stdout)
    done = prune(_store(config), days, largest, console)
    for entry in done.in_use:
        console.action("in use", f"{entry.kind[:-1]} {entry.origin.get('name', '')}".rstrip(), hashed=entry.key)
    console.line(
        f"{'left':<12}{done.left} entries, {done.bytes_left / 1e6:.1f} MB; removed {len(done.removed)}, "
        f"and {done.swept} left by dead runs"
    )
    if as_json:
        entries = {key: [entry._asdict() for entry in getattr(done, key)] for key in ("removed", "in_use")}
        print(json.dumps({**asdict(done), **entries}, indent=2))
    return 0


def _schema(config: Mapping[str, Any], as_json: bool) -> int:
    from pipeline.admin.schema_document import json_schema, schema_text

    del config
    print(json.dumps(json_schema(), indent=2) if as_json else schema_text(), end="" if not as_json else "\n")
    return 0
