"""The pipeline: from a declaration to a verified run."""
