"""How near the page without a server comes to Python, and how long an answer takes.

    python page/build.py && PYTHONPATH=. python tests/measure_static_page.py dist/page

It prints, for the sample photographs, for them turned further, and for one of 12 million pixels, the largest difference
from Python's angles (without lines, which the page does not look for): of answers that are sure, and the number of
unsure ones, where a breath decides between two angles, that differ by more than half a degree. And for an answer the
time on the clock and, where the system tells it, of the processor, which other work on the machine does not lengthen.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from chromium import asked, chromium, serving_files
from PIL import Image

import rotnet

PHOTOS = sorted((Path(__file__).parents[1] / "examples" / "photos").glob("*.jpg"))
TIMED = """
    const { look } = await import('./answers.js'), answers = [];
    for (const file of files) {
      const started = performance.now();
      answers.push([(await look(file)).prediction.angle, performance.now() - started]);
    }
    return answers;
"""


def processor_seconds(folder):
    """Seconds of all processes of the browser whose profile lies in a folder, so far."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes():
                ticks += sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def main():
    """Measure, and print a table."""
    predictor = rotnet.Predictor("photo_int8", threads=1)
    with tempfile.TemporaryDirectory() as name, serving_files(sys.argv[1]) as (address, _):
        folder = Path(name)
        sets = {"samples": PHOTOS, "turned further": [], "12 million pixels": [folder / "large.jpg"] * 3}
        for angle in range(7, 360, 40):
            for path in PHOTOS:
                turned = rotnet.rotate(np.asarray(Image.open(path).convert("RGB")), angle, crop="inscribed")
                sets["turned further"].append(folder / f"{angle}-{path.name}")
                Image.fromarray(turned).save(sets["turned further"][-1], quality=90)
        Image.open(PHOTOS[-1]).resize((3000, 4000)).save(folder / "large.jpg", quality=92)
        with chromium(folder) as browser:
            browser.get(address)
            asked(browser, PHOTOS[:1], TIMED)  # loads the network
            for kind, paths in sets.items():
                before = processor_seconds(folder)
                answers = asked(browser, paths, TIMED)
                spent = (processor_seconds(folder) - before) / len(paths)
                sure, doubtful = [0.0], 0
                for path, (angle, _) in zip(paths, answers, strict=True):
                    expected = predictor.predict(path, refine=None)
                    difference = rotnet.angle_difference(angle, expected.angle)
                    if expected.confidence >= predictor.card.min_confidence:
                        sure.append(difference)
                    else:
                        doubtful += difference > 0.5
                clock = statistics.median(milliseconds for _, milliseconds in answers) / 1000
                print(
                    f"{kind}: {len(paths)} pictures, {len(sure) - 1} sure, within {max(sure):.2f}° of Python", end="; "
                )
                print(f"of the unsure, {doubtful} by more than 0.5°", end="; ")
                print(f"an answer in {clock:.2f} s on the clock, {spent:.2f} s of the processor")


if __name__ == "__main__":
    main()
