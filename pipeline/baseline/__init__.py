"""Comparison with an earlier result: how many times slower or faster, and whether that is more than noise."""
