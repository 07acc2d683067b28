"""A long run of random registry operations while children are killed and stopped: ``python -m tests.soak``."""
