"""The lock: a file beside a user's configs that says which bytes each callable of a workload is on each target."""
