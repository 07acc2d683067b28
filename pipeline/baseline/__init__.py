"""Comparison with an earlier result: how much slower or faster a run is, and whether that is more than noise."""
