"""What a run would do: which callables it would build and why, which processes start, which tasks follow which."""
