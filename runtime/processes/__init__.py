"""What a Worker consists of, and how its processes are started from here."""
