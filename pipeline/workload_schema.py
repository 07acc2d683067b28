"""The schema of a workload's file for editors: what any workload may have, and what a declared one is made of.

It is as strict as it can be without running anything: a program has settings of its own, and expressions are text.
"""

from __future__ import annotations

from typing import Any

from pipeline.workloads.declared.tasks import TAGS

_NUMBER = {"type": ["number", "string"], "description": "A number, or an expression over the names known here."}
_TEXT = {"type": "string"}


def workload_schema() -> dict[str, Any]:
    """JSON Schema of one file of workload/; refers to ``#/$defs/callable`` and ``#/$defs/task``."""
    return {
        "type": "object",
        "description": "What runs: a program with settings of its own, or tensors and tasks.",
        "properties": {
            "defaults": {"type": "array", "description": "Callables that the workload composes, and other configs."},
            "name": _TEXT,
            "program": {**_TEXT, "description": "module:Class; its settings are further keys."},
            "callables": {"type": "object", "additionalProperties": {"$ref": "#/$defs/callable"}},
            "warm_up": {"type": "integer", "minimum": 0, "description": "Runs before those that are measured."},
            "repeat": {"type": "integer", "minimum": 1, "description": "Runs that are measured."},
            "sizes": {"type": "object", "additionalProperties": _NUMBER},
            "tensors": {"type": "object", "additionalProperties": _tensor()},
            "tasks": {"type": "array", "items": {"$ref": "#/$defs/task"}},
            "orchestration": {**_TEXT, "description": "module:function, called instead of submitting tasks."},
            "verify": _object(
                golden={**_TEXT, "description": "module:function that returns what is expected, by tensor."},
                expected={"type": "object", "additionalProperties": _TEXT, "description": "Files, by tensor."},
                tolerance=_object(relative={"type": "number"}, absolute={"type": "number"}),
            ),
        },
        "if": {"required": ["program"]},
        "else": {"propertyNames": {"enum": [*_COMMON, *_DECLARED]}},
    }


def task_schema() -> dict[str, Any]:
    """JSON Schema of an entry of ``tasks``: a task, or a loop around further entries."""
    argument = {
        "type": "object",
        "properties": dict.fromkeys((*TAGS, "scalar"), _NUMBER),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return _object(
        **{
            "callable": _TEXT,
            "for": {
                "type": "object",
                "additionalProperties": {"anyOf": [_NUMBER, {"type": "array", "items": {"type": "integer"}}]},
            },
            "where": _NUMBER,
            "args": {"type": "array", "items": argument},
            "blocks": _NUMBER,
            "tasks": {"type": "array", "items": {"$ref": "#/$defs/task"}},
        }
    )


_COMMON = ("defaults", "name", "program", "callables", "warm_up", "repeat")
_DECLARED = ("sizes", "tensors", "tasks", "orchestration", "verify")


def _tensor() -> dict[str, Any]:
    return _object(
        shape={"type": "array", "items": _NUMBER},
        dtype=_TEXT,
        fill={"type": ["number", "string"], "description": "zeros, random, a number, or a file .npy or .npz."},
        seed={"type": "integer", "minimum": 0},
        array={**_TEXT, "description": "Which of the arrays of an .npz file."},
    )


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}
