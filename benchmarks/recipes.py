"""One training example from an upright picture, as others make it: centre square, turned, inscribed crop, resized."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rotnet import crop_around_center, largest_rotated_rect

SIZE = 224


def original(image: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    """As the first RotNet did with OpenCV: a canvas that grows, then a crop, then a resize."""
    square = _square(image)
    side = square.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    grown = int(side * (abs(turn[0, 0]) + abs(turn[0, 1])))
    turn[:, 2] += (grown - side) / 2
    turned = cv2.warpAffine(square, turn, (grown, grown), flags=cv2.INTER_LINEAR)
    return cv2.resize(_inscribed(turned, side, angle), (SIZE, SIZE))


def original_digit(image: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    """As the first RotNet turned digits: a canvas that grows, then a resize."""
    side = image.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    grown = int(side * (abs(turn[0, 0]) + abs(turn[0, 1])))
    turn[:, 2] += (grown - side) / 2
    return cv2.resize(cv2.warpAffine(image, turn, (grown, grown)), (side, side))


def scikit_image() -> Callable[[NDArray[np.uint8], float], NDArray]:
    """As a scikit-image tutorial does."""
    from skimage import transform

    def recipe(image: NDArray[np.uint8], angle: float) -> NDArray:
        square = _square(image)
        turned = transform.rotate(square, angle, resize=True)
        return transform.resize(_inscribed(turned, square.shape[0], angle), (SIZE, SIZE), anti_aliasing=True)

    return recipe


def keras_layers() -> Callable[[NDArray[np.uint8], float], NDArray]:
    """Keras' own layers: the angle is theirs, and the crop that of the worst angle, 45 degrees."""
    import keras

    rotation = keras.layers.RandomRotation(0.5, fill_mode="constant")

    def recipe(image: NDArray[np.uint8], angle: float) -> NDArray:
        square = _square(image)
        kept = int(square.shape[0] / math.sqrt(2))
        turned = keras.ops.convert_to_numpy(rotation(square[np.newaxis], training=True))[0]
        cropped = crop_around_center(turned, kept, kept)
        return keras.ops.convert_to_numpy(keras.ops.image.resize(cropped, (SIZE, SIZE), antialias=True))

    return recipe


def albumentations() -> Callable[[NDArray[np.uint8], float], NDArray]:
    """Albumentations, with its own draw of the angle."""
    import albumentations

    steps = [albumentations.Rotate(limit=(-180, 180), crop_border=True, p=1.0), albumentations.Resize(SIZE, SIZE)]
    composed = albumentations.Compose(steps)

    def recipe(image: NDArray[np.uint8], angle: float) -> NDArray:
        return composed(image=_square(image))["image"]

    return recipe


def torchvision() -> Callable[[NDArray[np.uint8], float], NDArray]:
    """Torchvision's transforms, on uint8 tensors, with the angle given."""
    import torch
    from torchvision.transforms.v2 import InterpolationMode, functional

    torch.set_num_threads(1)
    smooth = InterpolationMode.BILINEAR

    def recipe(image: NDArray[np.uint8], angle: float) -> NDArray:
        square = torch.from_numpy(_square(image)).permute(2, 0, 1)
        turned = functional.rotate(square, angle, interpolation=smooth, expand=True)
        side = int(largest_rotated_rect(square.shape[1], square.shape[1], math.radians(angle))[0])
        cropped = functional.center_crop(turned, [side, side])
        resized = functional.resize(cropped, [SIZE, SIZE], interpolation=smooth, antialias=True)
        return resized.permute(1, 2, 0).numpy()

    return recipe


def kornia() -> Callable[[NDArray[np.uint8], float], NDArray]:
    """Kornia, on float tensors: the inscribed square lies within the canvas, which therefore need not grow."""
    import torch
    from kornia.geometry import center_crop, resize, rotate

    torch.set_num_threads(1)

    def recipe(image: NDArray[np.uint8], angle: float) -> NDArray:
        square = torch.from_numpy(_square(image)).permute(2, 0, 1)[None].float()
        turned = rotate(square, torch.tensor([angle]))
        side = int(largest_rotated_rect(square.shape[2], square.shape[2], math.radians(angle))[0])
        resized = resize(center_crop(turned, (side, side)), (SIZE, SIZE), antialias=True)
        return resized[0].permute(1, 2, 0).numpy()

    return recipe


OTHERS: dict[str, Callable[[], Callable[[NDArray[np.uint8], float], Any]]] = {
    "scikit-image": scikit_image,
    "keras.layers.RandomRotation, crop": keras_layers,
    "albumentations": albumentations,
    "torchvision": torchvision,
    "kornia": kornia,
}


def _square(image: NDArray) -> NDArray:
    side = min(image.shape[:2])
    return np.ascontiguousarray(crop_around_center(image, side, side))


def _inscribed(turned: NDArray, side: int, angle: float) -> NDArray:
    width, height = largest_rotated_rect(side, side, math.radians(angle))
    return crop_around_center(turned, int(width), int(height))
