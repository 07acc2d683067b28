"""All code that uses Hydra's private parts."""
