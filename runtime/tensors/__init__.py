"""Arrays in shared memory, and the arguments of a task."""
