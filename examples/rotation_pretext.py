"""Measure what learning which way is up buys for another task: digits with few labels.

    python examples/rotation_pretext.py --data mnist.npz

A small network is first taught which of four quarter turns MNIST digits have undergone; that takes no labels. Then it
gets 100 labelled digits of each class and has to tell the ten digits apart. Beside it, the same network from random
weights gets the same labelled digits, in the same order, for as many steps. Both ways of going on are measured: only
the last layer taught, and all layers. What is compared is the accuracy on the 10,000 test digits, for three seeds.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

from rotnet.datasets import load_mnist
from rotnet.models import build_classifier, freeze_backbone

SHAPE = (28, 28, 1)


def taught(start, images, labels, *, epochs, seed, batch_size, frozen=False):
    """A classifier that starts from a backbone and has learned these labels."""
    keras.utils.set_random_seed(seed)
    model = build_classifier(start, int(labels.max()) + 1, input_shape=SHAPE, weights=None)
    if frozen:
        freeze_backbone(model)
    # XLA makes convolutions on a processor many times slower
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    model.fit(images[..., None].astype(np.float32), labels, batch_size=batch_size, epochs=epochs, verbose=0)
    return model


def taught_by_rotation(digits, *, epochs, seed):
    """A small network that tells the four quarter turns of a digit apart."""
    turned = np.concatenate([np.rot90(digits, turns, axes=(1, 2)) for turns in range(4)])
    return taught("small_cnn", turned, np.repeat(range(4), len(digits)), epochs=epochs, seed=seed, batch_size=128)


def run(data=None, *, labels_per_class=100, unlabelled=10_000, pretext_epochs=3, epochs=20, seeds=(0, 1, 2)):
    """Accuracies on the test digits, a list over the seeds, by start and by what is taught."""
    (images, labels), (test_images, test_labels) = load_mnist(data)
    test_images = test_images[..., None].astype(np.float32)
    found = {}
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(images))
        few = np.concatenate([order[labels[order] == digit][:labels_per_class] for digit in range(10)])
        labelled = images[few], labels[few]
        pretext = taught_by_rotation(images[order[:unlabelled]], epochs=pretext_epochs, seed=seed)
        for name, start in {"random": "small_cnn", "rotation": pretext}.items():
            for layers in ("last layer", "all layers"):
                frozen = layers == "last layer"
                model = taught(start, *labelled, epochs=epochs, seed=seed, batch_size=50, frozen=frozen)
                _, accuracy = model.evaluate(test_images, test_labels, batch_size=500, verbose=0)
                found.setdefault(f"{name}, {layers}", []).append(round(accuracy, 4))
                print(f"seed {seed}: {name} weights, {layers} taught: {accuracy:.4f}", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a local mnist.npz")
    parser.add_argument("-o", "--output", type=Path, help="also write the accuracies there, as JSON")
    parser.add_argument("--labels", type=int, default=100, help="labelled digits of each class")
    parser.add_argument("--unlabelled", type=int, default=10_000, help="digits to learn turns from")
    parser.add_argument("--pretext-epochs", type=int, default=3, help="of learning turns")
    parser.add_argument("--epochs", type=int, default=20, help="of learning digits")
    options = parser.parse_args()
    found = run(
        options.data,
        labels_per_class=options.labels,
        unlabelled=options.unlabelled,
        pretext_epochs=options.pretext_epochs,
        epochs=options.epochs,
    )
    print(f"\n{'start, taught':<24}{'mean':>8}{'least':>8}{'most':>8}")
    for name, scores in found.items():
        print(f"{name:<24}{np.mean(scores):>8.4f}{min(scores):>8.4f}{max(scores):>8.4f}")
    if options.output:
        options.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
