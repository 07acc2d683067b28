"""``python -m tests.benchmark.metg``: how small a task may be before half of all time is no more work.

The measure and the patterns of dependencies are those of Task Bench (Slaughter et al., SC'20): a graph has some columns
and some steps, each task depends on tasks of the step before, and each executes the same busy loop. METG(50 %) is the
smallest mean duration of a task at which half of all time is that loop.
"""
