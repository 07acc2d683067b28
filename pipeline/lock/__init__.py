"""The lock: a file beside a user's configs that records the bytes of each callable of a workload on each target."""
