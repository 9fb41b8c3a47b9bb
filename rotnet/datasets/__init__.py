"""Collections of upright pictures to train on and measure with."""

from rotnet.datasets.mnist import load_mnist, rotated_mnist
from rotnet.datasets.photos import Split, load_photos, split_photos

__all__ = ["Split", "load_mnist", "load_photos", "rotated_mnist", "split_photos"]
