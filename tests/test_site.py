"""The site is built without a warning, asks nobody for anything, and each of its links leads somewhere."""

import json
import re
import runpy
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.skipif(not (DOCS / "conf.py").exists(), reason="it does not travel with the package")


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors, self.pictures = [], [], {""}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors.add(given.get("id"))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get("src"):
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(given["href"])
        if tag == "img":
            self.pictures.append(given)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as `make site` does."""
    for name in ("keras", "sphinx", "myst_parser", "pydata_sphinx_theme"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("site")
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-c", "docs", "-d", folder / "trees"]
    command = [sys.executable, "-m", "sphinx", *options, ".", folder / "html"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=600)
    assert run.returncode == 0, run.stderr
    return folder / "html"


@pytest.mark.slow
def test_the_site_is_whole(site):
    read = cache(lambda path: Page(path.read_text(encoding="utf-8")))
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > 30 and site / "index.html" in pages

    def leads_somewhere(path, link):
        parts = urlsplit(link)
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if parts.scheme:
            return True  # out of the site, and nobody is asked here
        if not (target.is_file() and target.is_relative_to(site)):
            return False
        # listings of code lead back to names by the module that defines them: to the page, and not to the line
        whole = target.suffix != ".html" or not parts.fragment or "_modules" in path.parts
        return whole or parts.fragment in read(target).anchors

    lost, foreign = [], []
    for path in pages:
        page = read(path)
        foreign += [(path.name, one) for one in page.loaded if urlsplit(one).scheme not in ("", "data")]
        lost += [(path.name, one) for one in page.links + page.loaded if not leads_somewhere(path, one)]
        assert all(one.get("alt") for one in page.pictures), f"{path.name} has a picture that is told in no words"
    assert not lost and not foreign


@pytest.mark.slow
def test_every_public_name_is_told_of(site):
    modules = runpy.run_path(str(DOCS / "make_reference.py"))["MODULES"]
    told = "".join(path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.rst"))
    assert sorted(re.findall(r"^\.\. automodule:: (.*)$", told, re.MULTILINE)) == sorted(modules)
    anchors = Page((site / "docs" / "api" / "rotnet.html").read_text(encoding="utf-8")).anchors
    import rotnet

    assert not [name for name in rotnet.__all__ if f"rotnet.{name}" not in anchors]


def test_figures_are_of_the_newest_results():
    made = runpy.run_path(str(DOCS / "make_benchmarks.py"))["page"]()
    page = DOCS / "benchmarks.md"
    assert page.read_text(encoding="utf-8") == made, "run: python docs/make_benchmarks.py"


def test_a_loss_of_speed_shows_in_the_history(tmp_path):
    def results(name, first, ratio):
        rows = [{"name": first, "median": 10.0}, {"name": "rotnet", "median": 10.0 * ratio}]
        (tmp_path / f"{name}.json").write_text(json.dumps({"tables": [{"title": "t", "unit": "s", "rows": rows}]}))

    made = runpy.run_path(str(DOCS / "make_benchmarks.py"))
    history = made["history"]
    history.__globals__["RESULTS"] = tmp_path
    results("2026-01-01", "peer", 2.0)
    assert history() == {}
    results("2026-01-02", "another peer", 9.0)
    results("2026-01-03", "peer", 4.0)
    assert history() == {"t: rotnet": [("2026-01-01", 1.0), ("2026-01-03", 0.5)]}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_tells_what_its_notebook_says(path):
    page = (DOCS / "notebooks" / f"{path.stem}.md").read_text(encoding="utf-8")
    title, *cells = nbformat.read(path, as_version=4).cells
    cells = [re.sub(r"^%.*\n", "", cell.source, flags=re.M) for cell in cells]
    cells = [re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", cell) for cell in cells]
    missing = [cell for cell in (title.source.split("\n\n")[0], *cells) if cell not in page]
    assert not missing, f"run: python docs/make_notebooks.py {path.stem}"
    assert page.count("![") >= 3, "the pictures that it draws"
