"""Arrays in shared memory, and what a task is given."""
