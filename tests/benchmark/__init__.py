"""Benchmarks of Callring and its peers, interleaved in one run: ``python -m tests.benchmark``. They assert nothing."""
