"""Networks that answer with 360 probabilities, one for each degree."""

from rotnet.models.efficientnet_lite import efficientnet_lite
from rotnet.models.mnist import mnist_cnn, mnist_cnn_large, mnist_regression
from rotnet.models.transfer import BACKBONES, build_model

__all__ = ["BACKBONES", "build_model", "efficientnet_lite", "mnist_cnn", "mnist_cnn_large", "mnist_regression"]
