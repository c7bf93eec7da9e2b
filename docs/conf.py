"""How Sphinx builds the documentation; the texts are Markdown."""

project = "Lilong"
author = "The Lilong contributors"
extensions = ["myst_parser"]
exclude_patterns = ["**/README.md"]
html_theme = "furo"
html_title = "Lilong"
myst_heading_anchors = 3
