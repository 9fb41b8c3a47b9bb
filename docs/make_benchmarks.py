"""Write docs/benchmarks.md and its figures, of the newest results in benchmarks/results.

    python docs/make_benchmarks.py

Ratios only: they hold on other machines, where seconds do not.
"""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
HEAD = """# How quick it is

Ratios, and no seconds: these hold better on other machines. The first row of each figure is 1, and the scale is
logarithmic. Measured on {cores} cores of {processor}, on {date}; quartiles, versions and what exactly was timed stand
in [the results](../benchmarks/results/{stem}.md), and `python -m benchmarks` measures anew. Made by
`python docs/make_benchmarks.py`.
"""
# what a ratio says, by the unit of the table
MEANS = {
    "pictures/s": "A 2 is twice as many pictures in the same time: more is better.",
    "s": "A 2 is twice as long: less is better.",
    "MB": "A 2 is twice the memory: less is better.",
}


def newest():
    """The stem of the newest results, and what they are."""
    path = max(RESULTS.glob("*.json"))
    return path.stem, json.loads(path.read_text(encoding="utf-8"))


def ratios(table):
    """Names and ratios to the first row."""
    first = table["rows"][0]["median"]
    return [(row["name"], row["median"] / first) for row in table["rows"]]


def file_of(table):
    return re.sub(r"\W+", "-", table["title"].lower()).strip("-")


def number(ratio):
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"


def page():
    """The page in Markdown."""
    stem, found = newest()
    parts = [HEAD.format(stem=stem, **found).rstrip()]
    for table in found["tables"]:
        rows = ratios(table)
        told = "; ".join(f"{name}: {number(ratio)}" for name, ratio in rows)
        notes = "".join(f" {note[0].upper()}{note[1:]}." for note in table["notes"])
        means = MEANS[table["unit"]]
        figure = f"![{told}](figures/{file_of(table)}.svg)"
        parts.append(f"## {table['title']}\n\n{figure}\n\n{means}{notes}")
    return "\n\n".join(parts) + "\n"


def draw(table):
    """A bar a row."""
    import matplotlib

    matplotlib.use("svg")
    # letters stay letters, and the same figures make the same file
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rotnet", "font.family": "sans-serif"})
    import matplotlib.pyplot as plt

    names, values = zip(*ratios(table), strict=True)
    figure, axis = plt.subplots(figsize=(8, 0.9 + 0.32 * len(names)))
    axis.barh(range(len(names)), [value - 1 for value in values], left=1, height=0.6, color=colours(names))
    axis.set_xscale("log")
    axis.set_xlim(min(*values, 0.7) / 1.6, max(*values, 1.4) * 1.6)
    axis.axvline(1, color="#444", linewidth=1)
    for place, value in enumerate(values):
        side = {"ha": "left", "xytext": (4, 0)} if value >= 1 else {"ha": "right", "xytext": (-4, 0)}
        axis.annotate(number(value), (value, place), textcoords="offset points", va="center", fontsize=9, **side)
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.invert_yaxis()
    axis.tick_params(left=False)
    axis.set_xticks([], minor=True)
    axis.set_xticks([])
    axis.spines[["top", "right", "left", "bottom"]].set_visible(False)
    figure.savefig(DOCS / "figures" / f"{file_of(table)}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def colours(names):
    """What is rotnet's stands out from what is others'."""
    return ["#c2410c" if name.startswith("rotnet") else "#7a8ba3" for name in names]


def main():
    (DOCS / "figures").mkdir(exist_ok=True)
    for table in newest()[1]["tables"]:
        draw(table)
    (DOCS / "benchmarks.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
