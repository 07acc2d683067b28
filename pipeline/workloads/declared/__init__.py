"""Workloads declared in YAML: tensors, tasks in loops (or an orchestration function), and the expected result."""
