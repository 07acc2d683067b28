"""Task graphs that are recorded once and launched often."""
