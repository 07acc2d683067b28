"""What is installed, what is missing, and the line that mends it."""
