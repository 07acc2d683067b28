"""The README's lines on machines that nobody prepared: ``python -m tests.fresh trixie``."""
