"""The schema of configurations, and their checked values."""
