"""Measure the preset `photo` on the photographs to choose by, as `weights/README.md` reports it.

    python weights/tools/measure_photo.py PHOTOS MORE --repeats 2 > weights/runs/photo/metrics.json
    python weights/tools/measure_photo.py PHOTOS --model photo_int8 > weights/runs/photo_int8/metrics.json
    python weights/tools/measure_photo.py PHOTOS MORE --model blend.onnx --calibrate

Four views, and no lines; with `--default` as users have it. The folders are those of `sources.py`. The calibration is
fitted again, on a copy of the file, or with `--calibrate` in the file itself. *Clear up* are the pictures of the
collections named below.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from sources import photos

from rotnet import Predictor
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
    parser.add_argument("folders", nargs="+", help="folders of upright photographs with a manifest.csv")
    parser.add_argument("--model", default="photo", help="default: photo")
    parser.add_argument("--repeats", type=int, default=4, help="angles a photograph is turned by; default: 4")
    parser.add_argument("--default", action="store_true", help="look once where that is enough, and refine by lines")
    parser.add_argument("--calibrate", action="store_true", help="write the calibration into the file")
    options = parser.parse_args()
    asked = {} if options.default else {"turns": 4, "refine": None}
    choose = [photo for photo in photos(options.folders) if photo.side == "choose"]
    clear = [photo.path for photo in choose if photo.source in CLEAR_UP]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(presets.find(options.model))
        exported = found if options.calibrate else Path(shutil.copy(found, folder))
        report = calibrate_photos(exported, [photo.path for photo in choose], repeats=options.repeats, **asked)
        predictor = Predictor(exported)

    def measured(**options):
        return evaluate(clear, model=predictor, **{**asked, **options})

    crooked = measured(repeats=REPEATS)
    harm = rates(crooked, measured(protocol="upright"))
    report["clear_up"] = {
        "files": summary(crooked),
        "files_errors": spread(crooked),
        "files_one_turn": summary(measured(turns=1, repeats=REPEATS)),
        "memory": summary(measured(protocol="memory", repeats=REPEATS)),
        "threshold": {key: round(rate, 4) for key, rate in harm.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
