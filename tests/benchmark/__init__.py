"""Benchmarks: ours and the peers in turn, in one run. Nothing here is asserted; run ``python -m tests.benchmark``."""
