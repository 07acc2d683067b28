"""The rows of a sweep as results.csv, as results.parquet and as a table for people."""

from __future__ import annotations

import csv
import io
import os
from typing import TYPE_CHECKING, Any

from pipeline.common.counts import duration
from pipeline.common.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.terminal.console import Console

Row = dict[str, Any]

_MISSING_DUCKDB = (
    "results.parquet was not written: it needs duckdb, which is not installed: pip install 'callring[sweep]'"
)


def same_columns(rows: Sequence[Row]) -> list[Row]:
    """The rows with equal columns, in the order of their first appearance; missing values are None.

    A column of numbers and words becomes a column of words, so that each column has one type.
    """
    # The longest row decides the order: a failed point has fewer figures.
    names = dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row)
    columns = {name: _one_type([row.get(name) for row in rows]) for name in names}
    return [{name: columns[name][i] for name in names} for i in range(len(rows))]


def _one_type(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int} or kinds <= {bool} or kinds <= {str}:
        return values
    if kinds <= {int, float}:
        return [value if value is None else float(value) for value in values]
    return [value if value is None else str(value) for value in values]


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Writes rows of equal columns with a header; None is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def write_parquet(path: Path, rows: Sequence[Row]) -> str | None:
    """Writes rows of equal columns, each BIGINT, DOUBLE, BOOLEAN or VARCHAR.

    Returns:
        The message if the file was not written because duckdb is not installed, else None.
    """
    try:
        import duckdb
    except ImportError:
        return _MISSING_DUCKDB
    types = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}
    columns = []
    for name in rows[0]:
        kind = next((type(row[name]) for row in rows if row[name] is not None), str)
        columns.append(f"{_quoted(name)} {types[kind]}")
    # Written to memory first: DuckDB's error for a full disk differs from other errors only in its message.
    with open(os.memfd_create(path.name), "w+b") as memory:  # noqa: PTH123
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE results ({', '.join(columns)})")
            places = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO results VALUES ({places})", [list(row.values()) for row in rows])
            target = f"/proc/self/fd/{memory.fileno()}"
            connection.execute(f"COPY results TO '{target}' (FORMAT parquet, USE_TMP_FILE false)")
        write_atomically(path, memory.read())
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def write_table(rows: Sequence[Row], keys: Sequence[str], console: Console) -> None:
    """Prints a line for each point: the swept values, the status, the measured runs.

    Args:
        rows: the results of ``row_of``.
        keys: the swept keys.
        console: prints the lines.
    """
    columns = ("job", *keys, "status", "runs", "median", "fastest", "slowest", "tasks")
    lines = [columns, *(_cells(row, keys) for row in rows)]
    console.table(lines, len(keys) + 2, [row["exit_code"] != 0 for row in rows])


def write_virtual_table(rows: Sequence[Row], keys: Sequence[str], console: Console) -> None:
    """Prints a separate table of virtual times; nothing without a chip model."""
    rows = [row for row in rows if row.get("virtual_model") is not None]
    if not rows:
        return
    console.line("virtual time, computed on modelled chips:")
    lines: list[Sequence[str]] = [("job", *keys, "model", "virtual time", "critical path", "one by one", "chips busy")]
    for row in rows:
        times = (duration(row[f"virtual_{name}_ns"] / 1e9) for name in ("makespan", "critical_path", "one_by_one"))
        named = (str(row["job"]), *(str(row[key]) for key in keys), row["virtual_model"])
        lines.append((*named, *times, f"{100 * row['virtual_chips_busy']:.0f} %"))
    console.table(lines, len(keys) + 2)


def _cells(row: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    times = (duration(row[f"run_seconds_{name}"]) for name in ("median", "min", "max"))
    job, tasks = ("-" if row[name] is None else f"{row[name]:,}" for name in ("job", "tasks"))
    return (job, *(str(row[key]) for key in keys), row["status"], str(row["runs"]), *times, tasks)
