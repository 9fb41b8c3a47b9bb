"""Collections of pictures to train on and measure with."""

from rotnet.datasets.labelled import Labelled, load_class_folders, split_class_folders, split_labelled
from rotnet.datasets.mnist import load_mnist, rotated_mnist
from rotnet.datasets.photos import Split, load_photos, split_photos
from rotnet.datasets.street_view import StreetViewAugmentation, download_street_view, split_street_view

__all__ = [
    "Labelled",
    "Split",
    "StreetViewAugmentation",
    "download_street_view",
    "load_class_folders",
    "load_mnist",
    "load_photos",
    "rotated_mnist",
    "split_class_folders",
    "split_labelled",
    "split_photos",
    "split_street_view",
]
