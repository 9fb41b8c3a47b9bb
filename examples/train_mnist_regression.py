"""Teach a network the angle of MNIST digits as a number instead of 360 classes.

    python examples/train_mnist_regression.py --head sigmoid    # as the original RotNet: for illustration
    python examples/train_mnist_regression.py --head sincos     # a point on the circle: works

With one number for the whole turn, 359 degrees and 1 degree are far apart although the digits look alike; the network
learns to answer with something between, which is upside down. Sine and cosine have no such seam.
"""

import argparse
import json
from pathlib import Path

import keras

from rotnet import RotNetDataGenerator, angle_error_regression
from rotnet.datasets import load_mnist
from rotnet.models import mnist_regression
from rotnet.training import TrainingSettings, angle_error_sincos, fit

SEED = 0


def run(output, *, head, data=None, epochs=10, limit=None):
    """Train and return the mean error on the test digits, degrees."""
    (train_digits, _), (test_digits, _) = load_mnist(data)
    keras.utils.set_random_seed(SEED)
    options = {
        "color_mode": "grayscale",
        "batch_size": 128,
        "label": "turn" if head == "sigmoid" else "sincos",
    }
    train = RotNetDataGenerator(train_digits[:limit], shuffle=True, seed=SEED, **options)
    test = RotNetDataGenerator(test_digits[:limit], seed=SEED + 1, same_every_epoch=True, **options)
    loss, metric = (
        (angle_error_regression, angle_error_regression) if head == "sigmoid" else ("mse", angle_error_sincos)
    )
    model = fit(
        mnist_regression(head=head),
        train,
        test,
        TrainingSettings(epochs=epochs),
        output,
        loss=loss,
        metric=metric,
        optimizer=keras.optimizers.Adam(),
    )
    report = {"mean": round(model.evaluate(test, verbose=0, return_dict=True)[metric.__name__], 2)}
    Path(output, "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", choices=("sigmoid", "sincos"), default="sincos")
    parser.add_argument("-o", "--output", help="folder of the run; default: runs/mnist-HEAD")
    parser.add_argument("--data", help="a local mnist.npz")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--limit", type=int, help="use only so many digits")
    options = parser.parse_args()
    output = options.output or f"runs/mnist-{options.head}"
    report = run(output, head=options.head, data=options.data, epochs=options.epochs, limit=options.limit)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
