"""Workloads that are declared in YAML: tensors, tasks in loops (or an orchestration function), and what to expect."""
