"""Which rectangles lie in and around a rotated one, and cropping an image array to them."""

from __future__ import annotations

import math

from numpy.typing import NDArray


def largest_rotated_rect(width: float, height: float, angle_rad: float) -> tuple[float, float]:
    """Size of the largest axis-parallel rectangle inside a rotated one.

    Args:
        width, height: Size of the rectangle before rotation, pixels, > 0.
        angle_rad: Rotation, radians, any finite value.

    Returns:
        `(width, height)` as floats; `(w, h)` itself at 0 and `(h, w)` at a quarter turn.

    Raises:
        ValueError: A side is not positive or the angle is not finite.

    Example:
        >>> largest_rotated_rect(2, 1, 0.0)
        (2.0, 1.0)
    """
    if not (width > 0 and height > 0 and math.isfinite(angle_rad)):
        raise ValueError(
            "width and height must be positive and angle_rad finite. "
            f"Received: width={width}, height={height}, angle_rad={angle_rad}."
        )
    quarter, rest = divmod(angle_rad, math.pi / 2)
    w, h = (float(width), float(height)) if int(quarter) % 2 == 0 else (float(height), float(width))
    sin, cos = math.sin(rest), math.cos(rest)
    if min(sin, cos) < 1e-12:
        return (w, h) if sin < cos else (h, w)
    long, short = max(w, h), min(w, h)
    if short <= 2.0 * sin * cos * long or abs(sin - cos) < 1e-10:
        # two corners of the result lie on the long side, its centre on the middle line
        half = 0.5 * short
        return (half / sin, half / cos) if w >= h else (half / cos, half / sin)
    cos_double = cos * cos - sin * sin
    return (w * cos - h * sin) / cos_double, (h * cos - w * sin) / cos_double


def rotated_bounds(width: float, height: float, angle_rad: float) -> tuple[float, float]:
    """Size of the smallest axis-parallel rectangle around a rotated one, `(width, height)` in pixels.

    Example:
        >>> rotated_bounds(2, 1, 0.0)
        (2.0, 1.0)
    """
    sin, cos = abs(math.sin(angle_rad)), abs(math.cos(angle_rad))
    return width * cos + height * sin, width * sin + height * cos


def crop_around_center(image: NDArray, width: int, height: int) -> NDArray:
    """Crop a window around the centre of an image; where it is larger than the image, the image's own side is kept.

    Args:
        image: `(H, W)` or `(H, W, C)`.
        width, height: Pixels, > 0.

    Returns:
        A view on `image`.

    Example:
        >>> import numpy as np
        >>> crop_around_center(np.zeros((4, 8)), 2, 2).shape
        (2, 2)
    """
    if min(width, height) < 1:
        raise ValueError(f"width and height must be at least 1. Received: width={width}, height={height}.")
    rows, columns = image.shape[:2]
    width, height = min(int(width), columns), min(int(height), rows)
    top, left = (rows - height) // 2, (columns - width) // 2
    return image[top : top + height, left : left + width]


def crop_largest_rectangle(image: NDArray, angle: float, height: int, width: int) -> NDArray:
    """Crop a picture that `rotate` turned, whether its canvas grew or not, so that no black corner is left.

    Args:
        image: The rotated picture, `(H, W)` or `(H, W, C)`.
        angle: Degrees it was turned by.
        height, width: Size of the picture before it was turned, pixels.

    Returns:
        A view on `image`.

    Example:
        >>> import numpy as np
        >>> from rotnet import rotate
        >>> turned = rotate(np.ones((30, 40), np.uint8), 20)
        >>> int(crop_largest_rectangle(turned, 20, 30, 40).min())
        1
    """
    w, h = largest_rotated_rect(width, height, math.radians(angle))
    # an odd difference cannot be centred to the pixel, so that one pixel of margin keeps the corners out
    exact = angle % 90.0 == 0.0
    w, h = (round(w), round(h)) if exact else (math.floor(w) - 1, math.floor(h) - 1)
    return crop_around_center(image, max(1, w), max(1, h))
