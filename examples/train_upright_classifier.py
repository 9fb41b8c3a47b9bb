"""Teach a network to tell upright pictures from those that are not: a yes or no, without the angle.

    python examples/train_upright_classifier.py train PHOTOS -o runs/upright
    python examples/train_upright_classifier.py predict runs/upright picture.jpg

PHOTOS holds upright pictures, which are shown as they are and turned by any angle; or two folders, `upright` and
`wrong`, with pictures that somebody has sorted. First only the last layer learns, on features that ImageNet has
taught EfficientNet-B0 (offline EfficientNet-Lite0, whose weights are shipped, takes its place). Then all of it does,
slowly, with batch normalization in inference mode. The area under the ROC curve decides when the rate falls and when
to stop.

The run leaves `model.keras`, `learning-curves.png`, `predictions.png` (wrong answers in red) and `metrics.json`.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

from rotnet.datasets import load_class_folders, split_labelled, split_photos
from rotnet.datasets.augmentation import Augmentation
from rotnet.evaluation.classification_plots import plot_predictions
from rotnet.evaluation.figures import plot_learning_curves
from rotnet.models import backbone_with_imagenet, build_classifier
from rotnet.training import BinaryAUC
from rotnet.training.classification import (
    UPRIGHT_CLASSES,
    ImageClassifier,
    LabelledBatches,
    Tilted,
    UprightBatches,
    teach,
)


def streams(folder, shape, batch_size, seed, workers):
    """Pictures and answers (0 upright, 1 wrong) to learn from, and others to measure on."""
    common = {"input_shape": shape, "batch_size": batch_size, "seed": seed, "workers": workers}
    if all(Path(folder, name).is_dir() for name in UPRIGHT_CLASSES):
        train, val = split_labelled(load_class_folders(folder), (0.8, 0.2), seed=seed)
        return (
            LabelledBatches(train, shuffle=True, augmentation=Tilted(tilt=2.0), **common),
            LabelledBatches(val, shuffle=True, same_every_epoch=True, **common),
        )
    split = split_photos(folder, val_share=0.2)
    return (
        UprightBatches(split.train, shuffle=True, augmentation=Augmentation(), **common),
        UprightBatches(split.val, same_every_epoch=True, **common),
    )


def train(
    folder,
    output,
    *,
    backbone="efficientnetb0",
    weights="imagenet",
    size=224,
    frozen_epochs=10,
    epochs=10,
    batch_size=32,
    seed=0,
    workers=2,
):
    """Teach, measure, draw and save; answers with the report."""
    output, shape = Path(output), (size, size, 3)
    keras.utils.set_random_seed(seed)
    if weights == "imagenet":
        backbone = backbone_with_imagenet(backbone, input_shape=shape)
    model = build_classifier(backbone, 2, input_shape=shape, weights=weights)
    learn, val = streams(folder, shape, batch_size, seed, workers)
    report = teach(
        model,
        UPRIGHT_CLASSES,
        learn,
        val,
        output,
        frozen_epochs=frozen_epochs if weights else 0,
        epochs=epochs,
        metrics=["accuracy", BinaryAUC()],
        monitor="val_auc",
    )
    plot_learning_curves(output / "log.csv").savefig(output / "learning-curves.png", dpi=120)
    images, truth = val[0]
    grid = plot_predictions(images.astype(np.uint8), model.predict_on_batch(images), UPRIGHT_CLASSES, truth=truth)
    grid.savefig(output / "predictions.png", dpi=120)
    return report


def predict(model, picture):
    """Answer for one picture."""
    name, probability = ImageClassifier.load(model).predict(picture)
    return f"{picture}: {name}, probability {probability:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    teach = commands.add_parser("train", help="teach and measure")
    teach.add_argument("folder", help="upright pictures, or the folders upright and wrong")
    teach.add_argument("-o", "--output", required=True, help="folder of the run")
    teach.add_argument("--backbone", default="efficientnetb0", help="any of rotnet.models.BACKBONES")
    teach.add_argument("--random-weights", action="store_true", help="do not begin with what ImageNet has taught")
    teach.add_argument("--size", type=int, default=224, help="side of the pictures, pixels")
    teach.add_argument("--frozen-epochs", type=int, default=10)
    teach.add_argument("--epochs", type=int, default=10, help="of fine-tuning")
    ask = commands.add_parser("predict", help="answer for one picture")
    ask.add_argument("model", help="folder of a run")
    ask.add_argument("picture")
    options = parser.parse_args()
    if options.command == "predict":
        print(predict(options.model, options.picture))
        return
    report = train(
        options.folder,
        options.output,
        backbone=options.backbone,
        weights=None if options.random_weights else "imagenet",
        size=options.size,
        frozen_epochs=options.frozen_epochs,
        epochs=options.epochs,
    )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
