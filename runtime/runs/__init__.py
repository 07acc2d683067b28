"""Runs: orchestration functions, tasks and their results."""
