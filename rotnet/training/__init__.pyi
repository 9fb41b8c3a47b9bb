__all__ = [
    "AngleError",
    "BinaryAUC",
    "RandomDegradation",
    "RandomUprightRotation",
    "RotNetDataGenerator",
    "RotationTrainer",
    "Stage",
    "TrainingSettings",
    "angle_error",
    "angle_error_regression",
    "angle_error_sincos",
    "calibrate_photos",
    "compare_classifiers",
    "fit",
    "run_classifier",
    "run_mnist",
    "run_photos",
    "run_upright",
    "train_mnist",
    "train_photos",
]

from .class_recipes import compare_classifiers, run_classifier, run_upright
from .fitting import TrainingSettings, fit
from .generators import RotNetDataGenerator
from .layers import RandomDegradation, RandomUprightRotation
from .metrics import AngleError, BinaryAUC, angle_error, angle_error_regression, angle_error_sincos
from .mnist_recipe import run_mnist, train_mnist
from .recipes import Stage, calibrate_photos, run_photos, train_photos
from .trainer import RotationTrainer
