"""The plan of a run: the callables that it would build and why, the processes, the tasks and their dependencies."""
