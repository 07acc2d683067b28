"""What a Worker tells of its children, its tasks and their times."""
