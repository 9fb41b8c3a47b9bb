__version__: str

__all__ = [
    "AngleError",
    "AnglePrediction",
    "Evaluation",
    "ImageError",
    "Predictor",
    "Preset",
    "RandomDegradation",
    "RandomUprightRotation",
    "RotNetDataGenerator",
    "RotNetError",
    "RotationTrainer",
    "angle_difference",
    "angle_error",
    "angle_error_regression",
    "binarize_images",
    "build_model",
    "circular_mean",
    "correct_files",
    "correct_rotation",
    "crop_around_center",
    "crop_largest_rectangle",
    "decode_angles",
    "display_examples",
    "encode_angles",
    "evaluate",
    "generate_rotated_image",
    "is_upright",
    "largest_rotated_rect",
    "predict_angle",
    "predict_files",
    "presets",
    "read_image",
    "rotate",
    "shown_angle",
    "square_view",
    "wrap_angle",
]

from .errors import ImageError, RotNetError
from .evaluation import Evaluation, evaluate
from .evaluation.figures import display_examples
from .files import correct_files, predict_files
from .geometry.angles import angle_difference, circular_mean, decode_angles, encode_angles, shown_angle, wrap_angle
from .geometry.cropping import crop_around_center, crop_largest_rectangle, largest_rotated_rect
from .geometry.warping import generate_rotated_image, rotate, square_view
from .images.converting import binarize_images
from .images.reading import read_image
from .inference.correct import correct_rotation
from .inference.prediction import AnglePrediction
from .inference.predictor import Predictor, predict_angle
from .inference.presets import Preset, presets
from .inference.upright import is_upright
from .models import build_model
from .training.generators import RotNetDataGenerator
from .training.layers import RandomDegradation, RandomUprightRotation
from .training.metrics import AngleError, angle_error, angle_error_regression
from .training.trainer import RotationTrainer
