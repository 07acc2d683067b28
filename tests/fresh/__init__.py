"""Runs the README's lines on unprepared machines: ``python -m tests.fresh trixie``."""
