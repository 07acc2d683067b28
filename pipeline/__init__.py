"""Callring."""
