"""Tell how far a picture is turned, and turn it upright.

    >>> import rotnet
    >>> rotnet.angle_difference(350, 10)
    20.0

Names load their module when they are first used, so that `import rotnet` stays quick and whoever only predicts never
loads a training framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# public name: (module, name in the module)
_PUBLIC = {
    name: (module, name)
    for module, names in {
        "angles": ("angle_difference", "circular_mean", "decode_angles", "encode_angles", "wrap_angle"),
        "checking": ("is_upright",),
        "correction": ("correct_rotation",),
        "errors": ("RotNetError",),
        "evaluation": ("Evaluation", "evaluate"),
        "generators": ("RotNetDataGenerator",),
        "geometry": (
            "crop_around_center",
            "crop_largest_rectangle",
            "generate_rotated_image",
            "largest_rotated_rect",
            "rotate",
            "square_view",
        ),
        "images": ("binarize_images",),
        "inference": ("AnglePrediction", "Predictor", "predict_angle"),
        "layers": ("RandomDegradation", "RandomUprightRotation", "RotationTrainer"),
        "metrics": ("AngleError", "angle_error", "angle_error_regression"),
        "models": ("build_model",),
        "plotting": ("display_examples",),
        "weights": ("Preset", "presets"),
    }.items()
    for name in names
}
_PUBLIC["read_image"] = ("images", "read")

# what only the extras install
_EXTRA = ("jax", "keras", "matplotlib", "tensorflow", "torch")

__all__ = [
    "AngleError",
    "AnglePrediction",
    "Evaluation",
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
    "presets",
    "read_image",
    "rotate",
    "square_view",
    "wrap_angle",
]

if TYPE_CHECKING:
    from .angles import angle_difference, circular_mean, decode_angles, encode_angles, wrap_angle
    from .checking import is_upright
    from .correction import correct_rotation
    from .errors import RotNetError
    from .evaluation import Evaluation, evaluate
    from .generators import RotNetDataGenerator
    from .geometry import (
        crop_around_center,
        crop_largest_rectangle,
        generate_rotated_image,
        largest_rotated_rect,
        rotate,
        square_view,
    )
    from .images import binarize_images
    from .images import read as read_image
    from .inference import AnglePrediction, Predictor, predict_angle
    from .layers import RandomDegradation, RandomUprightRotation, RotationTrainer
    from .metrics import AngleError, angle_error, angle_error_regression
    from .models import build_model
    from .plotting import display_examples
    from .weights import Preset, presets


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    try:
        value = getattr(import_module(f".{module}", __name__), attribute)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        from .errors import MissingExtraError

        message = f"rotnet.{name} needs {missing}, which is not installed: pip install 'rotnet[train]'"
        raise MissingExtraError(message, name=missing) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({"__version__", *__all__})
