"""Run the notebooks, and write docs/notebooks: what they say and print and draw, to read without running them.

    python docs/make_notebooks.py [NAME ...]

Nothing is fetched, so that they show what a reader without data sets and network sees too. A minute or so each.
"""

import base64
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

DOCS = Path(__file__).parent
NOTEBOOKS = DOCS.parent / "notebooks"
WIDTH = 900  # pixels; a retina figure has twice what a page shows
PAGE = re.compile(r"\]\((\w+)\.ipynb\)")
MAGIC = re.compile(r"^%.*\n", re.MULTILINE)  # how figures are shown, which is nothing to read


def run(path):
    """The notebook with its outputs, run in a folder that goes afterwards, with no network."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(NOTEBOOKS.parent / "examples" / "photos", Path(folder, "examples", "photos"))
        Path(folder, "notebooks").mkdir()
        nowhere = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy")}
        environment = {**os.environ, **nowhere, "KERAS_HOME": folder, "TMPDIR": folder}
        environment = {name: value for name, value in environment.items() if not name.startswith("ROTNET_")}
        client = NotebookClient(notebook, timeout=600, kernel_name="python3")
        client.execute(cwd=str(Path(folder, "notebooks")), env=environment)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("text"):
                output["text"] = output["text"].replace(folder, "/tmp")
    return notebook


def picture(data, name):
    """Write a figure, small, and return the Markdown that shows it."""
    figure = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    figure.thumbnail((WIDTH, 10 * WIDTH))
    (DOCS / "notebooks").mkdir(exist_ok=True)
    figure.save(DOCS / "notebooks" / f"{name}.jpg", quality=80, optimize=True)
    return f"![What the cell above draws]({name}.jpg)"


def shown(outputs, name):
    """What a cell prints and draws, in order, in Markdown."""
    printed = ""
    for place, output in enumerate(outputs):
        if output.output_type == "stream" and output.name == "stderr":
            raise SystemExit(f"{name} writes to standard error, which readers see in red:\n{output.text}")
        drawn = output.get("data", {}).get("image/png")
        if drawn is None:
            printed += output.get("text") or output.data["text/plain"] + "\n"
        if printed.strip() and (drawn is not None or place == len(outputs) - 1):
            yield f"```text\n{printed.strip()}\n```"
            printed = ""
        if drawn is not None:
            yield picture(drawn, f"{name}-{place}")


def page(notebook, name):
    """The notebook in Markdown; pictures are written on the way."""
    title, _, first = notebook.cells[0].source.partition("\n\n")
    source = f"[the notebook](../../notebooks/{name}.ipynb)"
    note = f"Made of {source} by `python docs/make_notebooks.py`, without a network."
    parts = [title, note, first]
    for number, cell in enumerate(notebook.cells[1:], 1):
        if cell.cell_type == "markdown":
            parts.append(PAGE.sub(r"](\1.md)", cell.source))
        else:
            parts.append(f"```python\n{MAGIC.sub('', cell.source)}\n```")
            parts += shown(cell.outputs, f"{name}-{number}")
    return "\n\n".join(parts) + "\n"


def main():
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if len(sys.argv) == 1 or path.stem in sys.argv[1:]:
            notebook = run(path)
            for old in (DOCS / "notebooks").glob(f"{path.stem}*.jpg"):
                old.unlink()
            text = page(notebook, path.stem)
            (DOCS / "notebooks" / f"{path.stem}.md").write_text(text, encoding="utf-8")
            print(path.stem)


if __name__ == "__main__":
    main()
