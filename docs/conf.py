"""Sphinx configuration: ``sphinx-build -W docs docs/_build``."""

project = "Callring"
author = "the authors of Callring"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Callring"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
