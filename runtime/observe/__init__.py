"""What a Worker reports about its children, its tasks and their times."""
