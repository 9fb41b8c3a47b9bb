"""Networks: most answer with 360 probabilities, one for each degree, some with a number or with other classes."""

from rotnet.models.efficientnet_lite import efficientnet_lite
from rotnet.models.heads import build_classifier, build_regression, load_rotation_model
from rotnet.models.mnist import mnist_cnn, mnist_p4cnn, mnist_regression
from rotnet.models.small_cnn import small_cnn
from rotnet.models.transfer import (
    BACKBONES,
    UNTAUGHT,
    backbone_of,
    build_model,
    fix_statistics,
    freeze_backbone,
    unfreeze_backbone,
)
from rotnet.models.two_branch_cnn import two_branch_cnn

__all__ = [
    "BACKBONES",
    "UNTAUGHT",
    "backbone_of",
    "build_classifier",
    "build_model",
    "build_regression",
    "efficientnet_lite",
    "fix_statistics",
    "freeze_backbone",
    "load_rotation_model",
    "mnist_cnn",
    "mnist_p4cnn",
    "mnist_regression",
    "small_cnn",
    "two_branch_cnn",
    "unfreeze_backbone",
]
