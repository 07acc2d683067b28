"""A long run of random registry operations under fire: ``python -m tests.soak``."""
