"""The Python processes below a Worker: the fork server, sub-workers and nodes."""
