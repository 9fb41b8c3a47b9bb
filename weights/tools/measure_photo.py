"""Measure the preset `photo` on validation photographs, as `weights/README.md` reports it.

    python weights/tools/measure_photo.py PHOTOS > weights/runs/photo/metrics.json

PHOTOS holds a `manifest.csv` (see `rotnet.datasets.split_photos`), a sub-folder for each collection. The calibration is
fitted again, on a copy of the file.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from rotnet import Predictor, weights
from rotnet.datasets import split_photos
from rotnet.evaluation import evaluate, rates, summary
from rotnet.recipes import calibrate_photos

CLEAR_UP = ("houses", "clothing", "vocobj", "tud", "idd", "pets")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    val = split_photos(parser.parse_args().folder).val
    clear = [path for path in val if path.parent.name in CLEAR_UP]
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(shutil.copy(weights.find("photo"), folder))
        report = calibrate_photos(exported, val)
        predictor = Predictor(exported)
    crooked, upright = evaluate(predictor, clear), evaluate(predictor, clear, angles=[0.0] * len(clear))
    threshold = report["min_confidence"] = predictor.card.min_confidence
    report["clear_up"] = {
        "files": summary(crooked),
        "files_one_turn": summary(evaluate(predictor, clear, turns=1)),
        "memory": summary(evaluate(predictor, clear, protocol="memory")),
        "threshold": {key: round(rate, 4) for key, rate in rates(crooked, upright, threshold).items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
