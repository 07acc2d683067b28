"""The tasks of the kill storm, as a Python function and as a kernel. Both record what was executed.

A program has one row for each task (or member of a group) in a tensor of float64 that all tasks share: how often the
task began, whether it ran to its end, whether it began too early, and its value.
"""

import time

BEGUN, DONE, EARLY, VALUE = range(4)
NONE = 0xFFFFFFFF
"""The row number that stands for no predecessor."""
MOST_PREDECESSORS = 4
WELL, FAIL, OVERSTAY = range(3)
MODULUS = 1_000_003


def step(args):
    """One task: scalars are its row, its microseconds, its kind of ending, and the rows of its predecessors."""
    rows = args[0]
    row, pause, ending, *given = args.scalars
    before = [earlier for earlier in given if earlier != NONE]
    rows[row, DONE] = 0
    rows[row, BEGUN] += 1
    if any(rows[earlier, DONE] != 1 for earlier in before):
        rows[row, EARLY] = 1
    time.sleep(60 if ending == OVERSTAY else pause / 1e6)
    if ending == FAIL:
        raise LookupError(row)
    rows[row, VALUE] = value(row, [rows[earlier, VALUE] for earlier in before])
    rows[row, DONE] = 1
    return row


def value(row, of_predecessors):
    """The value of a task."""
    return (row + 1 + sum(of_predecessors)) % MODULUS


KERNEL = f"""
    if (block->index != 0) {{ return 0; }}
    auto *rows = static_cast<volatile double *>(args->tensors[0].data);
    const uint64_t row = args->scalars[0];
    volatile double *mine = rows + 4 * row;
    mine[{DONE}] = 0;
    mine[{BEGUN}] += 1;
    double sum = static_cast<double>(row + 1);
    for (int i = 0; i < {MOST_PREDECESSORS}; ++i) {{
        if (args->scalars[3 + i] != {NONE}u) {{
            const volatile double *earlier = rows + 4 * args->scalars[3 + i];
            if (earlier[{DONE}] != 1) {{ mine[{EARLY}] = 1; }}
            sum += earlier[{VALUE}];
        }}
    }}
    if (args->scalars[2] == {OVERSTAY}) {{ sleep(60); }}
    usleep(static_cast<unsigned>(args->scalars[1]));
    if (args->scalars[2] == {FAIL}) {{ return 7; }}
    mine[{VALUE}] = static_cast<double>(static_cast<uint64_t>(sum) % {MODULUS});
    mine[{DONE}] = 1;
    return 0;"""
