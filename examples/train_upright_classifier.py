"""Teach a network to tell upright pictures from those that are not: a yes or no, without the angle.

    python examples/train_upright_classifier.py train PHOTOS -o runs/upright
    python examples/train_upright_classifier.py predict runs/upright picture.jpg

PHOTOS holds upright pictures, which are shown as they are and turned by any angle; or two folders, `upright` and
`wrong`, with pictures that somebody has sorted. First only the last layer learns, on features that ImageNet has
taught EfficientNet-Lite0, whose weights are shipped (`--backbone efficientnetb0` downloads its own). Then all of it
does, slowly, with batch normalization in inference mode. The area under the ROC curve decides when the rate falls and
when to stop.

`rotnet train upright PHOTOS` does the same and tells more on the way.

The run leaves `model.keras`, `learning-curves.png`, `predictions.png` (wrong answers in red) and `metrics.json`.
"""

import argparse
import json
import sys

from rotnet import RotNetError
from rotnet.training import run_upright
from rotnet.training.image_classifier import ImageClassifier


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
    teach.add_argument("--backbone", default="efficientnet_lite0", help="any of rotnet.models.BACKBONES")
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
    report = run_upright(
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
    try:
        main()
    except RotNetError as error:
        sys.exit(f"{error}")
