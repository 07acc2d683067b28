"""A user's project: a folder of configs with a primary config of its own, and the runs that it has left behind."""
