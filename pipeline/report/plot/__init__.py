"""Drawings of measurements as SVG, without scripts: colours come from the page's style sheet, so that they follow the
reader's colour scheme and print well. Each drawing has a text for readers who do not see it."""
