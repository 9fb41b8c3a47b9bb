"""Measure how well `rotnet check` tells upright pictures from wrong ones, as `weights/README.md` reports it.

    python weights/tools/measure_upright.py PHOTOS > weights/runs/photo/upright.json

The folders are those of `sources.py`; the photographs to choose by are shown upright and turned, by any angle and by
quarter turns, each saved as JPEG and read back. Half of the answers are to upright pictures.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from measure_photo import CLEAR_UP
from PIL import Image
from sources import photos

from rotnet import Predictor, read_image, rotate
from rotnet.evaluation.scores import upright_scores
from rotnet.files.check import check_files
from rotnet.inference.upright import upright_probability

TOLERANCES = (5.0, 10.0, 20.0, 45.0)


def answers(predictor, paths, angles):
    """`(N, 360)` probabilities of photographs turned by `(N,)` degrees and saved."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (path, angle) in enumerate(zip(paths, angles, strict=True)):
            turned = rotate(read_image(path), float(angle), crop="fit", interpolation="cubic")
            Image.fromarray(turned).save(Path(folder, f"{number:06}.jpg"), quality=90)
        return np.stack([found.prediction.probabilities for found in check_files([folder], predictor, turns=4)])


def scores(truth, probabilities, tolerance):
    found = upright_scores(truth, upright_probability(probabilities, tolerance=tolerance), tolerance=tolerance)
    return {key: round(value, 4) for key, value in asdict(found).items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of upright photographs with a manifest.csv")
    parser.add_argument("--model", default="photo", help="default: photo")
    options = parser.parse_args()
    predictor = Predictor(options.model)
    choose = [photo for photo in photos(options.folders) if photo.side == "choose"]
    val, clear = [photo.path for photo in choose], np.array([photo.source in CLEAR_UP for photo in choose])
    rng = np.random.default_rng(0)
    upright = answers(predictor, val, np.zeros(len(val)))
    report = {}
    for kind, angles in {
        "any_angle": rng.uniform(0, 360, len(val)),
        "quarter_turns": rng.choice([90.0, 180.0, 270.0], len(val)),
    }.items():
        turned = answers(predictor, val, angles)
        for subset, chosen in {"val": slice(None), "clear_up": clear}.items():
            truth = np.concatenate([np.zeros(len(val))[chosen], angles[chosen]])
            probabilities = np.concatenate([upright[chosen], turned[chosen]])
            report.setdefault(subset, {})[kind] = [scores(truth, probabilities, limit) for limit in TOLERANCES]
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
