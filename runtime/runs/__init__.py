"""What a run is: its orchestration function, its tasks and their results."""
