"""Sphinx's settings of the documentation; `make docs` lays out what they are applied to in build/docs."""

import os

project = "carprice"
author = "The carprice developers"
copyright = "2026 onwards, the carprice developers"
release = version = os.environ["CARPRICE_VERSION"]
extensions = ["myst_nb"]
exclude_patterns = ["_text"]
nb_execution_mode = "off"  # outputs are made before, and kept by what they depend on
nb_merge_streams = True
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "misc.highlighting_failure"]  # a notebook may skip a level; IPython's magics
mathjax_path = "no-formulas.js"  # no page has a formula; one that had would be found by the test, in place of asking a host for MathJax
html_theme = "furo"
html_title = f"carprice {release}"
html_static_path = ["_static"]
html_css_files = ["carprice.css"]
html_copy_source = False
html_show_sphinx = False
html_favicon = None
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
_sans = '"Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif'
_light = {
    "font-stack": _sans,
    "color-brand-primary": "#24516f",
    "color-brand-content": "#24516f",
    "color-brand-visited": "#5b4d86",
    "color-background-primary": "#fcfbf8",
    "color-background-secondary": "#f4f2ec",
    "color-foreground-primary": "#1f2933",
    "color-foreground-secondary": "#4c545f",
    "color-foreground-muted": "#5c6470",
}
_dark = {
    "color-brand-primary": "#9cc7e6",
    "color-brand-content": "#9cc7e6",
    "color-brand-visited": "#c3b8e2",
    "color-background-primary": "#14181d",
    "color-background-secondary": "#1a2027",
    "color-foreground-primary": "#e7e9ec",
    "color-foreground-secondary": "#b5bcc6",
    "color-foreground-muted": "#a3abb6",
}
html_theme_options = {"light_css_variables": _light, "dark_css_variables": _dark}
