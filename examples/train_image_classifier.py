"""Teach a network the classes of your own pictures, and compare several networks at it.

    python examples/train_image_classifier.py train FOLDER -o runs/classes --backbone small_cnn rotnet resnet50
    python examples/train_image_classifier.py predict runs/classes/rotnet picture.jpg

FOLDER holds a folder of pictures for each class; 70 % of them are learned from, 20 % choose the best epoch, 10 %
measure. A backbone that has learned from ImageNet is first left as it is while the last layer learns, then taught
along. `rotnet` is the backbone of the preset `photo` (or of `--rotation-model`), which has learned which way pictures
are up. What is measured: precision, recall and F1 of each class, and which class is taken for which.

`rotnet train classifier FOLDER` does the same and tells more on the way.

Each backbone leaves a folder with `model.keras`, `learning-curves.png`, `confusion.png` and `metrics.json`.
"""

import argparse
import sys

from rotnet import RotNetError
from rotnet.training import compare_classifiers
from rotnet.training.image_classifier import ImageClassifier


def print_classes(report):
    """Precision, recall and F1, a line a class."""
    print(f"{'':<20}{'precision':>10}{'recall':>10}{'F1':>10}{'pictures':>10}")
    for name, row in report.items():
        if isinstance(row, dict):
            numbers = (row["precision"], row["recall"], row["f1-score"])
            print(f"{name:<20}" + "".join(f"{number:>10.3f}" for number in numbers) + f"{row['support']:>10.0f}")


def print_comparison(reports):
    """One line a backbone."""
    print(f"\n{'backbone':<20}{'parameters':>12}{'accuracy':>10}{'macro F1':>10}")
    for backbone, report in reports.items():
        scores = f"{report['accuracy']:>10.3f}{report['macro avg']['f1-score']:>10.3f}"
        print(f"{backbone:<20}{report['parameters']:>12,}{scores}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    teach = commands.add_parser("train", help="teach, measure and compare")
    teach.add_argument("folder", help="a folder of pictures for each class")
    teach.add_argument("-o", "--output", required=True, help="folder of the runs")
    teach.add_argument("--backbone", nargs="+", default=["rotnet"], help="any of rotnet.models.BACKBONES, or rotnet")
    teach.add_argument("--rotation-model", default="photo", help="preset or file that `rotnet` takes its backbone from")
    teach.add_argument("--random-weights", action="store_true", help="do not begin with what ImageNet has taught")
    teach.add_argument("--size", type=int, default=192, help="side of the pictures, pixels")
    teach.add_argument("--frozen-epochs", type=int, default=10)
    teach.add_argument("--epochs", type=int, default=10, help="of fine-tuning")
    ask = commands.add_parser("predict", help="answer for one picture")
    ask.add_argument("model", help="folder of a run")
    ask.add_argument("picture")
    options = parser.parse_args()
    if options.command == "predict":
        name, probability = ImageClassifier.load(options.model).predict(options.picture)
        print(f"{options.picture}: {name}, probability {probability:.2f}")
        return
    reports = compare_classifiers(
        options.folder,
        options.output,
        options.backbone,
        pretrained=not options.random_weights,
        rotation_model=options.rotation_model,
        size=options.size,
        frozen_epochs=options.frozen_epochs,
        epochs=options.epochs,
    )
    for backbone, report in reports.items():
        print(f"\n== {backbone}")
        print_classes(report)
    print_comparison(reports)


if __name__ == "__main__":
    try:
        main()
    except RotNetError as error:
        sys.exit(f"{error}")
