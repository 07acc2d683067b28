"""Drawings of measurements as SVG, without a script: colours come from the page's style sheet, so that they follow the
reader's scheme and print well. Each drawing has its words for those who do not see it."""
