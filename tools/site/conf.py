# conf.py: what Sphinx is told of the site. The pages are staged by build.py; nothing is written here.
# SPDX-License-Identifier: Apache-2.0
import pathlib

project = "Quorate"
author = "the Quorate authors"
copyright = "the Quorate authors, Apache 2.0"  # noqa: A001, the name is Sphinx's
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"

# A heading's anchor is as on the pages of a forge, so that links fit both.
myst_heading_anchors = 4
# Nobody's "(c)" or straight quotes are to be changed: much of it is to be copied.
smartquotes = False
# Whoever asks for a page is told of nothing but this folder.
html_theme = "furo"
html_title = "Quorate"
html_static_path = [str(pathlib.Path(__file__).resolve().parent / "_static")]
html_favicon = str(pathlib.Path(__file__).resolve().parent / "_static/icon.svg")
html_css_files = ["quorate.css"]
html_search_scorer = str(pathlib.Path(__file__).resolve().parent / "scorer.js")
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1b6ca8", "color-brand-content": "#1b6ca8",
                            "color-code-background": "#f6f7f9"},
    "dark_css_variables": {"color-brand-primary": "#7ab8e6", "color-brand-content": "#7ab8e6"},
}
highlight_language = "none"
pygments_style = "xcode"
pygments_dark_style = "github-dark"
