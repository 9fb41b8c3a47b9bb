"""Write docs/benchmarks.md and its figures, of the newest results in benchmarks/results.

    python docs/make_benchmarks.py

Ratios only: they hold on other machines, where seconds do not.
"""

import json
import re
from pathlib import Path

from rotnet import presets

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
HEAD = """# How quick it is

Ratios, and no seconds: these hold better on other machines. The first row of each figure is 1, and the scale is
logarithmic. Measured on {cores} cores of {processor}, on {date}; quartiles, versions and what exactly was timed stand
in [the results](../benchmarks/results/{stem}.md), and `python -m benchmarks` measures anew. Made by
`python docs/make_benchmarks.py`.
"""
EARLIER = """Answers are those of the preset `photo` as it was then. It has been taught anew since, and has a deeper
network than on 2026-11-30 ([the cards](../weights/README.md)), which each look waits for."""

# what a ratio says, by the unit of the table
MEANS = {
    "pictures/s": "A 2 is twice as many pictures in the same time: more is better.",
    "s": "A 2 is twice as long: less is better.",
    "MB": "A 2 is twice the memory: less is better.",
}


HISTORY = """## From one date to the next

![How many times as good as when first measured; the latest: {told}](figures/history.svg)

What rotnet's ratios have become since each was first measured: right is better, and coloured is what changed by more
than a fifth. Left out is what was compared with something else before.
"""
TOLD = 1.2  # a change by more than this factor has a colour


def results():
    """All results by their stem, oldest first."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}


def newest():
    """The stem of the newest results, and what they are."""
    return list(results().items())[-1]


def history():
    """By table and row, how many times as good rotnet's ratio was on each date as on the first: `[(date, factor)]`."""
    measured = {}
    for stem, found in results().items():
        for table in found["tables"]:
            better = 1 if table["unit"] == "pictures/s" else -1
            for name, ratio in ratios(table)[1:]:
                if name.startswith("rotnet"):
                    beside = table["rows"][0]["name"]
                    measured.setdefault((table["title"], name, beside), []).append((stem, ratio**better))
    return {
        f"{title}: {name}": [(stem, ratio / values[0][1]) for stem, ratio in values]
        for (title, name, _), values in measured.items()
        if len(values) > 1 and values[-1][0] == newest()[0]
    }


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
    if found.get("photo") != presets()["photo"].sha256[:12]:
        parts.append(EARLIER)
    for table in found["tables"]:
        rows = ratios(table)
        told = "; ".join(f"{name}: {number(ratio)}" for name, ratio in rows)
        notes = "".join(f" {note[0].upper()}{note[1:]}." for note in table["notes"])
        means = MEANS[table["unit"]]
        figure = f"![{told}](figures/{file_of(table)}.svg)"
        parts.append(f"## {table['title']}\n\n{figure}\n\n{means}{notes}")
    if lines := history():
        told = "; ".join(f"{name}: {number(values[-1][1])}" for name, values in lines.items())
        parts.append(HISTORY.format(told=told).rstrip())
    return "\n\n".join(parts) + "\n"


def draw(table):
    """A bar a row."""
    plt = pyplot()
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
    save(figure, file_of(table))


def draw_history(lines):
    """A row of points a line, the latest in colour."""
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(6, 0.6 + 0.2 * len(lines)))
    for place, values in enumerate(lines.values()):
        factors = [factor for _, factor in values]
        colour = "#15803d" if factors[-1] > TOLD else "#c2410c" if factors[-1] < 1 / TOLD else "#444"
        axis.plot(factors, [place] * len(factors), color="#c9d1dc", linewidth=1, zorder=1)
        axis.scatter(factors[:-1], [place] * (len(factors) - 1), s=8, color="#7a8ba3")
        axis.scatter(factors[-1], place, s=22, color=colour)
        axis.annotate(number(factors[-1]), (1, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axis.set_yticks(range(len(lines)), lines, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(1, color="#444", linewidth=1, zorder=0)
    axis.set_xscale("log")
    axis.set_xticks([], minor=True)
    axis.set_xticks([0.5, 1, 2], ["half", "1", "twice"], fontsize=9)
    axis.tick_params(left=False)
    axis.spines[["top", "right", "left"]].set_visible(False)
    save(figure, "history")


def pyplot():
    """Matplotlib, set so that letters stay letters and the same figures make the same file."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rotnet", "font.family": "sans-serif"})
    import matplotlib.pyplot as plt

    return plt


def save(figure, name):
    figure.savefig(DOCS / "figures" / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
    pyplot().close(figure)


def colours(names):
    """What is rotnet's stands out from what is others'."""
    return ["#c2410c" if name.startswith("rotnet") else "#7a8ba3" for name in names]


def main():
    (DOCS / "figures").mkdir(exist_ok=True)
    for table in newest()[1]["tables"]:
        draw(table)
    if lines := history():
        draw_history(lines)
    (DOCS / "benchmarks.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
