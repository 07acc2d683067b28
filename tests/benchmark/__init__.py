"""Benchmarks: ours and peers interleaved in one run. Nothing here is asserted; run ``python -m tests.benchmark``."""
