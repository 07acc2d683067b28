"""What is built before a run, and where it is kept."""
