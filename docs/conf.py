"""Sphinx configuration: ``sphinx-build -W docs docs/_build``."""

project = "Callring"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
