"""Teach a network the angle of street views as a number instead of 360 classes.

    python examples/train_street_view_regression.py street_view --head sigmoid -o runs/sigmoid   # as the original
    python examples/train_street_view_regression.py street_view --head sincos -o runs/sincos     # a point on the circle

`--download` fetches the pictures, and any folder of street views will do, as for `train_street_view.py`. The original's
one number for the whole turn has a seam, though its loss, the error in degrees, has none: 359 and 1 degree look alike,
but are answered with opposite ends of the scale. Sine and cosine go around.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from rotnet import RotNetDataGenerator, RotNetError, angle_error_regression
from rotnet.datasets import download_street_view, split_street_view
from rotnet.evaluation import score
from rotnet.models import build_regression
from rotnet.training import TrainingSettings, angle_error_sincos, fit

EPOCHS = 50
SEED = 0
# what the generator answers with, the loss, and the error in degrees
HEADS = {
    "sigmoid": ("turn", angle_error_regression, angle_error_regression),
    "sincos": ("sincos", "mse", angle_error_sincos),
}


def degrees(answers):
    """Angles of labels or answers: fractions of a turn, or sine and cosine."""
    if answers.shape[-1] == 2:
        return np.rad2deg(np.arctan2(answers[:, 0], answers[:, 1]))
    return 360.0 * answers.ravel()


def run(
    folder,
    output,
    *,
    head="sincos",
    backbone="resnet50",
    weights="imagenet",
    size=224,
    epochs=EPOCHS,
    batch_size=64,
    workers=4,
    held_out=(),
):
    """Train and measure."""
    split = split_street_view(folder, held_out=held_out)
    settings = TrainingSettings(epochs=epochs, patience=2)
    keras.utils.set_random_seed(SEED)
    shape = (size, size, 3)
    model = build_regression(backbone, input_shape=shape, weights=weights, head=head, features="flatten")
    label, loss, metric = HEADS[head]
    common = {"input_shape": shape, "batch_size": batch_size, "label": label, "workers": workers}
    common |= {"crop_center": True, "crop_largest_rect": True}
    train = RotNetDataGenerator(split.train, shuffle=True, seed=SEED, **common)
    val = RotNetDataGenerator(split.val, seed=SEED + 1, same_every_epoch=True, **common)
    model = fit(model, train, val, settings, output, loss=loss, metric=metric, optimizer=keras.optimizers.Adam())
    truth = np.concatenate([degrees(labels.reshape(len(labels), -1)) for _, labels in val])
    scores = asdict(score(truth, degrees(model.predict(val, verbose=0))))
    report = {name: round(value, 4) for name, value in scores.items()}
    Path(output, "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="of the street views")
    parser.add_argument("-o", "--output", required=True, help="folder of the run")
    parser.add_argument("--download", action="store_true", help="fetch what is missing in the folder")
    parser.add_argument(
        "--held-out", nargs="+", default=(), metavar="NAME", help="sub-folders, as towns, to measure on"
    )
    parser.add_argument("--head", choices=HEADS, default="sincos")
    parser.add_argument("--backbone", default="resnet50", help="any of rotnet.models.BACKBONES")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    if options.download:
        download_street_view(options.folder)
    report = run(
        options.folder,
        options.output,
        head=options.head,
        backbone=options.backbone,
        epochs=options.epochs,
        held_out=options.held_out,
    )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    try:
        main()
    except RotNetError as error:
        sys.exit(f"{error}")
