"""Show what `rotnet correct` did: every picture before and after on one sheet, and a table of its angles.

    rotnet correct examples/photos -o straight --max-loss 0.25 --fill blur --report straight/report.jsonl
    python examples/contact_sheet.py examples/photos straight

A file `truth.csv` among the pictures (columns `file` and `angle`) adds the true angles.
"""

import argparse
import csv
import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

import rotnet

TILE, GAP, CAPTION = 260, 14, 24
PAPER, INK, GREY = "#faf9f7", "#1d1d1f", "#77777a"


def read_truth(folder: Path) -> dict[str, float]:
    """True angles by file name, degrees; empty where there is no `truth.csv`."""
    if not (folder / "truth.csv").exists():
        return {}
    with open(folder / "truth.csv", newline="", encoding="utf-8") as file:
        return {row["file"]: float(row["angle"]) for row in csv.DictReader(file)}


def print_table(rows: list[dict], truth: dict[str, float]) -> None:
    """One line a picture: angle, confidence and, where known, the truth and the error."""
    known = f"{'true':>8}{'error':>8}" if truth else ""
    print(f"{'picture':<18}{'angle':>8}{'confidence':>12}  {'action':<13}{known}")
    for row in rows:
        name = Path(row["path"]).name
        line = f"{name:<18}{rotnet.shown_angle(row['angle']):>8}{row['confidence']:>12.2f}  {row['action']:<13}"
        if name in truth:
            line += f"{rotnet.shown_angle(truth[name]):>8}{rotnet.angle_difference(row['angle'], truth[name]):>7.1f}°"
        print(line)


def draw_sheet(rows: list[dict], columns: int = 2) -> Image.Image:
    """Pictures before and after, side by side with their captions."""
    width, height = 2 * TILE + GAP, TILE + CAPTION
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * (width + 2 * GAP), lines * (height + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, row in enumerate(rows):
        line, column = divmod(index, columns)
        left, top = GAP + column * (width + 2 * GAP), GAP + line * (height + GAP)
        before = Path(row["path"])
        for step, path in enumerate((before, row.get("target", before))):
            with Image.open(path) as picture:
                tile = ImageOps.contain(ImageOps.exif_transpose(picture).convert("RGB"), (TILE, TILE))
            sheet.paste(tile, (left + step * (TILE + GAP) + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        draw.text((left, top + TILE + 5), before.name, fill=GREY)
        caption = f"found {rotnet.shown_angle(row['angle'])}, confidence {row['confidence']:.2f}"
        if row["action"] != "turned":
            caption += f", {row['action']}: left as it is"
        draw.text((left + TILE + GAP, top + TILE + 5), caption, fill=INK)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, help="folder of the crooked pictures")
    parser.add_argument("straight", type=Path, help="folder of the corrected ones, with report.jsonl")
    arguments = parser.parse_args()
    report = (arguments.straight / "report.jsonl").read_text(encoding="utf-8").splitlines()
    rows = sorted((row for row in map(json.loads, report) if "angle" in row), key=lambda row: row["path"])
    print_table(rows, read_truth(arguments.pictures))
    target = arguments.straight / "contact-sheet.png"
    draw_sheet(rows).save(target)
    print(f"\nbefore and after: {target}")


if __name__ == "__main__":
    main()
