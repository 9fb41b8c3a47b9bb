"""How Sphinx builds the site: `make site`.

The source folder is the root of the repository, so that the README, the model cards and the pages of this folder are
read where they lie, and one link holds on the site and in the repository.
"""

import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import rotnet  # noqa: E402

project, author, copyright = "rotnet", "rotnet authors", "rotnet authors"
version = release = rotnet.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "docs/**.rst", "README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"]
include_patterns += ["weights/README.md", "examples/photos/README.md", "benchmarks/results/*.md"]
exclude_patterns = [".*", "build", "dist", "tests", "page", "rotnet", "weights/runs"]

# Markdown
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # tables of figures begin where it suits the page

# docstrings
default_role = "py:obj"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}

# looks
html_theme = "pydata_sphinx_theme"
html_title = "rotnet"
html_static_path = ["site/static"]
templates_path = ["site/templates"]
html_css_files = ["rotnet.css"]
html_extra_path = ["site/root"]  # leads from the root to the first page
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {"**": ["every_page.html"]}
html_theme_options = {
    "navbar_center": [],  # the side shows every page
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

LINK = re.compile(r"(!?)\[((?:[^][]|\[[^][]*\])*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def led_within_the_site(app, name, source):
    """Links to notebooks lead to what these have drawn; those to folders, which a site does not show, become words."""

    def link(found):
        target = (Path(app.srcdir, name).parent / found[3]).resolve()
        if target.suffix == ".ipynb":
            shown = ROOT / "docs" / "notebooks" / f"{target.stem}.md"
            return f"[{found[2]}]({os.path.relpath(shown, Path(app.srcdir, name).parent)})"
        return found[2] if target.is_dir() and not found[1] else found[0]

    source[0] = LINK.sub(link, source[0])


def once(app, what, name, thing, skip, options):
    """What `rotnet` itself offers is told of on its own page, and not again with the module that it comes from."""
    known = (getattr(rotnet, public) for public in rotnet.__all__)
    return True if app.env.docname != "docs/api/rotnet" and any(thing is one for one in known) else None


def setup(app):
    app.connect("autodoc-skip-member", once)
    app.connect("source-read", led_within_the_site)
    return {"parallel_read_safe": True}
