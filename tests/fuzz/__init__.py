"""Fuzzing of every native decoder under libFuzzer: ``python -m tests.fuzz``."""
