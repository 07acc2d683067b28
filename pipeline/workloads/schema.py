"""The schema of a workload's file for editors: what any workload may have, and what a declared one is made of.

It is as strict as it can be without running anything: a program has settings of its own, and expressions are text.
"""

from __future__ import annotations

from typing import Any

from pipeline.workloads.declared.tasks import TAGS
from pipeline.workloads.declared.tensors import DTYPES

_TEXT = {"type": "string"}
_NUMBER = {"type": ["number", "string"], "description": "A number, or an expression over the names known here."}


def workload_schema() -> dict[str, Any]:
    """JSON Schema of one file of workload/; refers to ``#/$defs/callable`` and ``#/$defs/task``."""
    return {
        "type": "object",
        "description": "What runs: a program with settings of its own, or tensors and tasks.",
        "properties": {
            "defaults": {
                "type": "array",
                "items": {"type": "object"},
                "description": "Callables that the workload composes, and other configs.",
            },
            "name": _text("For people, for results, and for the lock file."),
            "program": _text("module:Class; its settings are further keys, in place of those of a declared workload."),
            "callables": {
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/callable"},
                "description": "By the names that tasks use; composed through the defaults.",
            },
            "warm_up": {"type": "integer", "minimum": 0, "description": "Runs before those that are measured."},
            "repeat": {"type": "integer", "minimum": 1, "description": "Runs that are measured."},
            "capture": {
                "type": "boolean",
                "description": "Records what one run submits, and launches that graph for every run.",
            },
            "sizes": {
                "type": "object",
                "additionalProperties": _NUMBER,
                "description": "Numbers by name; each may be computed from those before it.",
            },
            "tensors": {
                "type": "object",
                "additionalProperties": _tensor(),
                "description": "By name, made before the first run in memory that all workers share.",
            },
            "tasks": {
                "type": "array",
                "items": {"$ref": "#/$defs/task"},
                "description": "In the order in which they are submitted.",
            },
            "orchestration": _text(
                "module:function, called with (o, tensors, handles, context) instead of submitting tasks."
            ),
            "verify": _object(
                golden=_text(
                    "module:function of the tensors' first contents and the sizes: what is expected, by name."
                ),
                expected={
                    "type": "object",
                    "additionalProperties": {"anyOf": [_TEXT, _tensor()]},
                    "description": "By tensor a file .npy or .npz, or fill and array of one.",
                },
                tolerance=_object(
                    "How far an element may be off; default: by dtype.",
                    relative={"type": "number", "description": "Of what is expected."},
                    absolute={"type": "number", "description": "In the tensor's unit."},
                ),
                description="What the tensors must hold after the last run.",
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
    rounds = {"anyOf": [_NUMBER, {"type": "array", "items": {"type": "integer"}}]}
    keys: dict[str, Any] = {
        "callable": _text("One of the workload's callables."),
        "for": {
            "type": "object",
            "additionalProperties": rounds,
            "description": "Loop variables, each with a number of rounds or a list of values.",
        },
        "where": _number("The chip or the node; sub for any sub-worker."),
        "args": {
            "type": "array",
            "items": argument,
            "description": "Pieces of tensors by tag, and scalars, in the order of the signature.",
        },
        "blocks": _number("Blocks that the kernel is launched with; 0, the default: one for each core."),
        "tasks": {
            "type": "array",
            "items": {"$ref": "#/$defs/task"},
            "description": "Entries that the loop is around, in place of a task.",
        },
    }
    return _object(**keys)


_COMMON = ("defaults", "name", "program", "callables", "warm_up", "repeat", "capture")
_DECLARED = ("sizes", "tensors", "tasks", "orchestration", "verify")


def _tensor() -> dict[str, Any]:
    return _object(
        shape={"type": "array", "items": _NUMBER, "description": "Extents, at least 1; left out with a file."},
        dtype={"enum": list(DTYPES), "description": "Default: float32, or that of the file."},
        fill={
            "type": ["number", "string"],
            "description": "zeros, the default, random, a number, or a file .npy or .npz.",
        },
        seed={"type": "integer", "minimum": 0, "description": "Decides what random gives, with the tensor's name."},
        array=_text("Which of the arrays of a file .npz; left out if it has one."),
    )


def _text(description: str) -> dict[str, Any]:
    return {**_TEXT, "description": description}


def _number(description: str) -> dict[str, Any]:
    return {**_NUMBER, "description": description}


def _object(description: str = "", **properties: Any) -> dict[str, Any]:
    said = {"description": description} if description else {}
    return {"type": "object", **said, "properties": properties, "additionalProperties": False}
