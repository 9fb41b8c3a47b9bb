"""Measure the preset `photo` on validation photographs, as `weights/README.md` reports it.

    python weights/tools/measure_photo.py PHOTOS > weights/runs/photo/metrics.json

PHOTOS holds a `manifest.csv` (see `rotnet.datasets.split_photos`), a sub-folder for each collection. The calibration is
fitted again, on a copy of the file. *Clear up* are the pictures of the collections named below.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from rotnet import Predictor
from rotnet.datasets import split_photos
from rotnet.evaluation import evaluate, rates, summary
from rotnet.inference import presets
from rotnet.training.recipes import calibrate_photos

# angles for each of the few pictures with a clear up: one that is upside down weighs two degrees of the mean
REPEATS = 8
CLEAR_UP = ("houses", "clothing", "vocobj", "tud", "idd", "pets")


def spread(evaluation):
    """Medians, in degrees: of what the answers about a picture have in common, and of how far each is from that."""
    signed = (evaluation.angles - evaluation.truth + 180.0) % 360.0 - 180.0
    by_picture = signed.reshape(-1, REPEATS)
    shared = np.median(by_picture, axis=1, keepdims=True)
    return {
        "shared": round(float(np.median(abs(shared))), 2),
        "rest": round(float(np.median(abs(by_picture - shared))), 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--model", default="photo", help="default: photo")
    options = parser.parse_args()
    val = split_photos(options.folder).val
    clear = [path for path in val if path.parent.name in CLEAR_UP]
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(shutil.copy(presets.find(options.model), folder))
        report = calibrate_photos(exported, val)
        predictor = Predictor(exported)
    crooked = evaluate(clear, model=predictor, turns=4, repeats=REPEATS)
    harm = rates(crooked, evaluate(clear, model=predictor, turns=4, protocol="upright"))
    report["clear_up"] = {
        "files": summary(crooked),
        "files_errors": spread(crooked),
        "files_one_turn": summary(evaluate(clear, model=predictor, turns=1, repeats=REPEATS)),
        "memory": summary(evaluate(clear, model=predictor, turns=4, protocol="memory", repeats=REPEATS)),
        "threshold": {key: round(rate, 4) for key, rate in harm.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
