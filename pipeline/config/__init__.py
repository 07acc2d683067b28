"""What a configuration may say, and what it comes to: every key is checked here."""
