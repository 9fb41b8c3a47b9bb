"""How usable the page of `rotnet correct --preview` is with many rows.

    PYTHONPATH=.:tests python tests/measure_preview_page.py 10000

It repeats the cards of the sample photographs, and prints the size of the page and seconds in Chromium: to open it, to
decide a hundred rows by keys (what the page itself takes), to filter, to accept all, and to undo that.
"""

import sys
import tempfile
import time
from pathlib import Path

from chromium import chromium

import rotnet.files as files
from rotnet.files.preview import write_preview
from rotnet.inference.predictor import Predictor

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"
TIMED = """
    const took = (what) => { const start = performance.now(); what(); document.body.offsetHeight;
      return ((performance.now() - start) / 1000).toFixed(3); };
    const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    go(cards[0]);
    return {
      "100 decided": took(() => { for (let i = 0; i < 100; i++) press("t"); }),
      "filtered": took(() => { $("search").value = "cat"; filter(); }),
      "shown again": took(() => { $("search").value = ""; filter(); }),
      "all accepted": took(() => $("accept").click()),
      "undone": took(undo),
    };
"""


def main():
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), int(sys.argv[1])
        page = folder / "sheet.html"
        targets = files.plan_targets([PHOTOS], folder / "out")
        decisions = files.with_digests(files.decide_files(targets, Predictor("photo_int8")))
        list(write_preview(decisions, page, files.Turning()))
        before, cards = page.read_text().split("<main>\n")
        cards, after = cards.split("</main>")
        lines = [line for line in cards.splitlines(keepends=True) if line.strip()]
        page.write_text(f"{before}<main>\n{''.join((lines * (rows // len(lines) + 1))[:rows])}</main>{after}")
        print(f"{rows} rows, {page.stat().st_size / 1e6:.0f} MB")
        with chromium(folder) as browser:
            start = time.monotonic()
            browser.get(page.as_uri())
            print(f"{'opened':>14} {time.monotonic() - start:.3f} s")
            for what, seconds in browser.execute_script(TIMED).items():
                print(f"{what:>14} {seconds} s")


if __name__ == "__main__":
    main()
