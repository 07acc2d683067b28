"""The README's lines on machines without any preparation: ``python -m tests.fresh trixie``."""
