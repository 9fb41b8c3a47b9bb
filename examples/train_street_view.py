"""Teach a network which way street views are up, the second experiment of the original RotNet.

    python examples/train_street_view.py street_view --download -o runs/street_view
    python examples/train_street_view.py street_view --original -o runs/street_view-original

The first line fetches Google Street View from the University of Central Florida (62,058 pictures, of which the 41,372
side views are kept) and goes on where it was stopped, the training too. It ends with `model.onnx`, which `--model`
takes, and `metrics.json`, measured on places the network has not seen.

`--original` is the recipe of the article: the centre square, turned and cropped to the largest rectangle without black
corners; one-hot labels, features flattened, Adam, stopped after 2 epochs without a lower loss. The crop there grows and
shrinks with the angle, which a network can read; the default varies scale, place and sharpness, so that it cannot.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import keras

from rotnet import RotNetDataGenerator, RotNetError, build_model
from rotnet.datasets import StreetViewAugmentation, download_street_view, split_street_view
from rotnet.models.export import export_onnx
from rotnet.training import TrainingSettings, calibrate_photos, fit

DEFAULT = TrainingSettings(epochs=20, learning_rate=1e-3)
ORIGINAL = TrainingSettings(epochs=50, patience=2)
SEED = 0


def run(
    folder,
    output,
    *,
    backbone="resnet50",
    weights="imagenet",
    original=False,
    size=224,
    epochs=None,
    batch_size=64,
    sigma=None,
    workers=4,
):
    """Train, export, measure; without `sigma` labels are soft by 3 degrees, or one-hot as in the article."""
    split = split_street_view(folder)
    print(f"{len(split.train)} pictures to learn from, {len(split.val)} to measure on")
    settings = ORIGINAL if original else DEFAULT
    settings = replace(settings, epochs=epochs or settings.epochs)
    sigma = sigma or (None if original else 3.0)
    keras.utils.set_random_seed(SEED)
    shape = (size, size, 3)
    model = build_model(backbone, input_shape=shape, weights=weights, head="flatten" if original else "pool")
    common = {"input_shape": shape, "batch_size": batch_size, "sigma": sigma, "workers": workers}
    common |= {"crop_center": True, "crop_largest_rect": True}
    vary = None if original else StreetViewAugmentation()
    train = RotNetDataGenerator(split.train, shuffle=True, seed=SEED, augmentation=vary, **common)
    val = RotNetDataGenerator(split.val, seed=SEED + 1, same_every_epoch=True, **common)
    model = fit(model, train, val, settings, output, optimizer=keras.optimizers.Adam() if original else None)
    exported = export_onnx(model, Path(output, "model.onnx"))
    report = calibrate_photos(exported, split.val[:: max(1, len(split.val) // 500)])
    Path(output, "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="of the street views")
    parser.add_argument("-o", "--output", required=True, help="folder of the run")
    parser.add_argument("--download", action="store_true", help="fetch what is missing in the folder")
    parser.add_argument("--original", action="store_true", help="the recipe of the article")
    parser.add_argument("--backbone", default="resnet50", help="any of rotnet.models.BACKBONES")
    parser.add_argument("--random-weights", action="store_true", help="do not begin with what ImageNet has taught")
    parser.add_argument("--epochs", type=int, help="default: 20, as the article 50")
    parser.add_argument("--sigma", type=float, help="width of soft labels, degrees; default: 3, as the article one-hot")
    options = parser.parse_args()
    if options.download:
        download_street_view(options.folder)
    report = run(
        options.folder,
        options.output,
        backbone=options.backbone,
        weights=None if options.random_weights else "imagenet",
        original=options.original,
        epochs=options.epochs,
        sigma=options.sigma,
    )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    try:
        main()
    except RotNetError as error:
        sys.exit(f"{error}")
