"""Teach a network which way street views are up, the second experiment of the original RotNet.

    python examples/train_street_view.py street_view --download -o runs/street_view
    python examples/train_street_view.py street_view --original -o runs/street_view-original
    python examples/train_street_view.py my_town --from photo -o runs/my_town

The first line fetches Google Street View from the University of Central Florida (62,058 pictures, of which the 41,372
side views are kept) and goes on where it was stopped, the training too. It ends with `model.onnx`, which `--model`
takes, and `metrics.json`, measured on places the network has not seen, with the figures of `photo` beside them.

Any folder of street views will do: `PLACE_VIEW.jpg`, such as `17_2.jpg`, divided by place; or sub-folders, of which
`--held-out` names those to measure on (default: `val`, beside `train`). `--from` goes on, gently, from a model that
knows which way is up.

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

from rotnet import RotNetDataGenerator, RotNetError, build_model, evaluate
from rotnet.datasets import StreetViewAugmentation, download_street_view, split_street_view
from rotnet.evaluation import summary
from rotnet.models import backbone_of, fix_statistics, load_rotation_model
from rotnet.models.export import export_onnx
from rotnet.training import TrainingSettings, calibrate_photos, fit

DEFAULT = TrainingSettings(epochs=20, learning_rate=1e-3)
GENTLE = TrainingSettings(epochs=5, learning_rate=5e-5)  # to go on from a model
ORIGINAL = TrainingSettings(epochs=50, patience=2)
SEED = 0
REPEATS = 4  # angles that a picture is measured at


def run(
    folder,
    output,
    *,
    backbone=None,
    weights="imagenet",
    original=False,
    size=224,
    epochs=None,
    batch_size=64,
    sigma=None,
    workers=4,
    held_out=(),
):
    """Train, export, measure; `main` tells the defaults."""
    split = split_street_view(folder, held_out=held_out)
    print(f"{len(split.train)} pictures to learn from, {len(split.val)} to measure on")
    begun = None if weights in (None, "imagenet") else load_rotation_model(weights)
    settings = ORIGINAL if original else GENTLE if begun else DEFAULT
    settings = replace(settings, epochs=epochs or settings.epochs)
    sigma = sigma or (None if original else 1.5 if begun else 3.0)
    keras.utils.set_random_seed(SEED)
    shape = (size, size, 3)
    if begun:
        model = build_model(backbone_of(begun).name, input_shape=shape, weights=begun)
        fix_statistics(model)  # few pictures would ruin those that come from many
    else:
        head = "flatten" if original else "pool"
        model = build_model(backbone or "resnet50", input_shape=shape, weights=weights, head=head)
    common = {"input_shape": shape, "batch_size": batch_size, "sigma": sigma, "workers": workers}
    common |= {"crop_center": True, "crop_largest_rect": True}
    vary = None if original else StreetViewAugmentation()
    train = RotNetDataGenerator(split.train, shuffle=True, seed=SEED, augmentation=vary, **common)
    val = RotNetDataGenerator(split.val, seed=SEED + 1, same_every_epoch=True, **common)
    model = fit(model, train, val, settings, output, optimizer=keras.optimizers.Adam() if original else None)
    exported = export_onnx(model, Path(output, "model.onnx"))
    measured = split.val[:: max(1, len(split.val) // 500)]
    report = calibrate_photos(exported, measured, repeats=REPEATS)
    report["beside"] = {"photo": summary(evaluate(measured, repeats=REPEATS))}
    Path(output, "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="of the street views")
    parser.add_argument("-o", "--output", required=True, help="folder of the run")
    parser.add_argument("--download", action="store_true", help="fetch what is missing in the folder")
    parser.add_argument("--original", action="store_true", help="the recipe of the article")
    parser.add_argument(
        "--held-out", nargs="+", default=(), metavar="NAME", help="sub-folders, as towns, to measure on"
    )
    parser.add_argument("--backbone", help="any of rotnet.models.BACKBONES; default: resnet50, or that of --from")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--from", dest="begin", metavar="M", help="a preset or the file of a model to go on from")
    begin.add_argument("--random-weights", action="store_true", help="do not begin with what ImageNet has taught")
    parser.add_argument("--size", type=int, default=224, help="side of the pictures that are learned from, pixels")
    parser.add_argument("--epochs", type=int, help="default: 20, as the article 50, to go on 5")
    parser.add_argument(
        "--sigma", type=float, help="width of soft labels, degrees; default: 3, to go on 1.5, as the article one-hot"
    )
    options = parser.parse_args()
    if options.begin and (options.original or options.backbone):
        parser.error("--from goes on from a model as it is: leave out --original and --backbone")
    if options.download:
        download_street_view(options.folder)
    report = run(
        options.folder,
        options.output,
        backbone=options.backbone,
        weights=None if options.random_weights else options.begin or "imagenet",
        original=options.original,
        size=options.size,
        epochs=options.epochs,
        sigma=options.sigma,
        held_out=options.held_out,
    )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    try:
        main()
    except RotNetError as error:
        sys.exit(f"{error}")
