"""Measure a model on saved crooked pictures of several folders, by collection.

    python weights/tools/measure_sources.py PHOTOS MORE --side choose --model photo > choose.json

Each picture is turned by `--repeats` angles, cropped to the inscribed rectangle, saved as JPEG of quality 90 and
answered. `--side test` is for the model card, once, and for no choice.
"""

import argparse
import json
from dataclasses import asdict

import numpy as np
from sources import photos

from rotnet import Predictor, evaluate
from rotnet.evaluation.scores import level_score, score


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of upright photographs with a manifest.csv")
    parser.add_argument("--side", choices=("choose", "test"), default="choose")
    parser.add_argument("--model", default="photo")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--right-angles", action="store_true", help="turn by quarter turns; any angle may be answered")
    parser.add_argument("--refine", choices=("lines", "none"), default="none", help="default: none")
    parser.add_argument("--turns", type=int, choices=(1, 4), help="views; default: 1, 2 or 4, until it is sure")
    options = parser.parse_args()
    chosen = [photo for photo in photos(options.folders) if photo.side == options.side]
    angles = None
    if options.right_angles:
        angles = np.random.default_rng(options.seed).choice([0.0, 90.0, 180.0, 270.0], len(chosen) * options.repeats)
    found = evaluate(
        [photo.path for photo in chosen],
        model=Predictor(options.model),
        repeats=options.repeats,
        seed=options.seed,
        angles=None if angles is None else angles.tolist(),
        turns=options.turns,
        refine="lines" if options.refine == "lines" else None,
    )
    sources = np.array([photo.source for photo in chosen])[[trial.seed[1] for trial in found.trials]]
    report = {"all": summary(found, np.ones(len(sources), bool))}
    report |= {source: summary(found, sources == source) for source in np.unique(sources)}
    print(json.dumps(report, indent=2))


def summary(found, chosen):
    values = asdict(score(found.truth[chosen], found.angles[chosen])) | asdict(level_score(found.errors[chosen]))
    return {name: value if isinstance(value, int) else round(value, 4) for name, value in values.items()}


if __name__ == "__main__":
    main()
