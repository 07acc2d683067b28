"""A page of what is running: served on this machine while it runs, to a browser on this machine."""
