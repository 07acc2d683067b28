"""What looks after an installation; no workload runs for it."""
