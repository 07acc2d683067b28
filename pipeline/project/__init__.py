"""A user's project: a folder of configs with its own primary config, and the directories of its runs."""
