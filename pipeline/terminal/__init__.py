"""The terminal output of a run, and its interruption."""
