"""Teach a network which way MNIST digits are up.

    python examples/train_mnist.py                        # the preset `mnist`
    python examples/train_mnist.py --original             # the original RotNet's network, trained by its own recipe
    python examples/train_mnist.py --original --leaky     # the same, on digits whose size tells the angle

The digits come from Keras, which downloads them once, or from a local `mnist.npz` (`--data`, or the environment
variable ROTNET_MNIST). Digits keep their 28x28 canvas when they are turned and are binarized at 0.1; the 10,000 test
digits are turned by angles that depend on a fixed seed.

The original let the canvas grow until the turned digit fitted and then shrank it to 28x28 again. A digit turned by 45
degrees so came out a third smaller, and the network could read the angle off the size. `--leaky` measures what that is
worth. Its recipe: Adam, batches of 128, one-hot labels, at most 50 epochs, stopped after 2 without a better loss on the
test digits.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np

from rotnet import Predictor, RotNetDataGenerator, rotate
from rotnet.datasets import load_mnist, rotated_mnist
from rotnet.evaluation import evaluate_views, summary
from rotnet.models import mnist_cnn
from rotnet.training import TrainingSettings, fit, run_mnist

RECIPE = TrainingSettings(epochs=50, patience=2)
SEED = 0


def growing_canvas(image, angle, size, rng=None):
    """The original's way to turn a digit: the canvas grows, then is shrunk."""
    return cv2.resize(rotate(image, angle, resize=True), size[::-1]).reshape(*size, -1)


def run_original(output, data, *, leaky, epochs):
    """Train the original's network by its own recipe and measure it under both protocols."""
    (train_digits, _), (test_digits, _) = load_mnist(data)
    keras.utils.set_random_seed(SEED)
    settings = replace(RECIPE, epochs=epochs or RECIPE.epochs)
    options = {
        "color_mode": "grayscale",
        "batch_size": 128,
        "augmentation": growing_canvas if leaky else None,
    }
    train = RotNetDataGenerator(train_digits, shuffle=True, seed=SEED, **options)
    val = RotNetDataGenerator(test_digits, seed=SEED + 1, same_every_epoch=True, **options)
    model = fit(mnist_cnn(), train, val, settings, output, optimizer=keras.optimizers.Adam())
    predictor = Predictor(model)
    turned, truth = rotated_mnist(test_digits)
    grown = np.stack([growing_canvas(d, a, (28, 28))[..., 0] for d, a in zip(test_digits, truth, strict=True)])
    protocols = {"canvas kept": turned, "canvas grows (leaky)": grown}
    report = {name: summary(evaluate_views(predictor, digits, truth, turns=1)) for name, digits in protocols.items()}
    Path(output, "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", help="folder of the run; default: runs/mnist, -original or -leaky added")
    parser.add_argument("--data", help="a local mnist.npz")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--original", action="store_true")
    parser.add_argument("--leaky", action="store_true", help="with --original")
    options = parser.parse_args()
    if options.leaky and not options.original:
        parser.error("--leaky goes with --original")
    # a folder each: a run that finds another one's backup would go on from its weights
    output = options.output or "runs/mnist" + ("-leaky" if options.leaky else "-original" if options.original else "")
    if options.original:
        report = run_original(output, options.data, leaky=options.leaky, epochs=options.epochs)
    else:
        report = run_mnist(output, data=options.data, epochs=options.epochs)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
