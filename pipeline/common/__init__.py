"""Functions for every package of the pipeline; they import none of these packages."""
