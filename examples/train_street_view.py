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
from dataclasses import replace
from pathlib import Path

import keras

from rotnet import RotNetDataGenerator, build_model
from rotnet.datasets import StreetViewAugmentation, download_street_view, split_street_view
from rotnet.models import backbone_with_imagenet
from rotnet.models.export import export_onnx
from rotnet.training.fitting import Plan, fit
from rotnet.training.recipes import calibrate_photos

DEFAULT = Plan(epochs=20, batch_size=64, learning_rate=1e-3, sigma=3.0)
ORIGINAL = Plan(epochs=50, batch_size=64, sigma=None, patience=2)


def run(folder, output, *, backbone="resnet50", weights="imagenet", original=False, size=224, workers=4, **settings):
    """Train, export, measure; `settings` replace those of the plan."""
    split = split_street_view(folder)
    print(f"{len(split.train)} pictures to learn from, {len(split.val)} to measure on")
    plan = replace(ORIGINAL if original else DEFAULT, **settings)
    keras.utils.set_random_seed(plan.seed)
    shape = (size, size, 3)
    if weights == "imagenet":
        backbone = backbone_with_imagenet(backbone, input_shape=shape)
    model = build_model(backbone, input_shape=shape, weights=weights, head="flatten" if original else "pool")
    common = {"input_shape": shape, "batch_size": plan.batch_size, "sigma": plan.sigma, "workers": workers}
    common |= {"crop_center": True, "crop_largest_rect": True}
    vary = None if original else StreetViewAugmentation()
    train = RotNetDataGenerator(split.train, shuffle=True, seed=plan.seed, augmentation=vary, **common)
    val = RotNetDataGenerator(split.val, seed=plan.seed + 1, same_every_epoch=True, **common)
    model = fit(model, train, val, plan, output, optimizer=keras.optimizers.Adam() if original else None)
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
    given = {name: getattr(options, name) for name in ("epochs", "sigma") if getattr(options, name) is not None}
    weights = None if options.random_weights else "imagenet"
    report = run(
        options.folder, options.output, backbone=options.backbone, weights=weights, original=options.original, **given
    )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
