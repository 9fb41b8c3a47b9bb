"""Which rectangles lie in and around a rotated one, what they lose of it, and cropping an image array to them.

A crop is named by what is kept of a picture that is turned:

| name | older name | |
|---|---|---|
| `fit` | `inscribed` | the largest rectangle without empty corners |
| `aspect` | | the largest such rectangle with the proportions of the picture |
| `keep` | `expand` | everything, on a larger canvas whose corners are filled |
| `same` | | what lies in a canvas of the picture's own size, whose corners are filled |
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from numpy.typing import NDArray

Crop: TypeAlias = Literal["fit", "keep", "same", "aspect"]
CropName: TypeAlias = Literal["fit", "keep", "same", "aspect", "inscribed", "expand"]
CROPS: tuple[Crop, ...] = get_args(Crop)
Beyond: TypeAlias = Literal["keep", "leave"]
BEYOND: tuple[Beyond, ...] = get_args(Beyond)
NOTABLE_LOSS = 0.25  # share of a picture's area of which a person wants to hear
OLDER: dict[str, Crop] = {"inscribed": "fit", "expand": "keep"}


def named_crop(name: object) -> Crop:
    """A crop by its name or its older one.

    Raises:
        ValueError: It is the name of none.

    Example:
        >>> named_crop("inscribed"), named_crop("keep")
        ('fit', 'keep')
    """
    found = OLDER.get(name, name) if isinstance(name, str) else name
    if found not in CROPS:
        raise ValueError(f"crop must be one of {CROPS}. Received: crop={name!r}.")
    return found


def chosen_crop(
    width: float, height: float, angle: float, crop: Crop, max_loss: float | None = None, beyond: Beyond = "keep"
) -> tuple[Crop | None, float]:
    """The crop that is taken of a picture, and the share of its area that the crop asked for loses.

    Args:
        width, height: Of the picture, pixels.
        angle: Degrees that it is turned by.
        crop: What is asked for.
        max_loss: The largest share that may be lost, from 0 to 1; None for any.
        beyond: What is done where more would be lost: `"keep"` keeps everything, `"leave"` does not turn the picture.

    Returns:
        `crop`, `"keep"` or, where the picture is better left, None; and the share that `crop` loses.

    Example:
        >>> chosen_crop(4, 3, 30.0, "fit", max_loss=0.25)[0]
        'keep'
    """
    lost = share_lost(width, height, math.radians(angle), crop)
    if max_loss is None or lost <= max_loss + 1e-9:
        return crop, lost
    return ("keep" if beyond == "keep" else None), lost


def has_corners(crop: Crop) -> bool:
    """Whether a crop leaves corners to fill."""
    return crop in ("keep", "same")


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


def largest_similar_rect(width: float, height: float, angle_rad: float) -> tuple[float, float]:
    """Size of the largest axis-parallel rectangle inside a rotated one that has its proportions.

    Beyond 45 degrees width and height change places, as they do in a picture that lay on its side.

    Returns:
        `(width, height)`, pixels.

    Example:
        >>> largest_similar_rect(2, 1, 0.0)
        (2.0, 1.0)
    """
    sin, cos = abs(math.sin(angle_rad)), abs(math.cos(angle_rad))
    w, h = (width, height) if cos >= sin - 1e-9 else (height, width)
    scale = min(width / (w * cos + h * sin), height / (w * sin + h * cos))
    return w * scale, h * scale


def crop_size(width: float, height: float, angle_rad: float, crop: Crop) -> tuple[float, float]:
    """Size of what a crop leaves of a picture that is turned, `(width, height)` in pixels, not rounded.

    Example:
        >>> crop_size(4, 3, math.pi / 2, "fit")
        (3.0, 4.0)
    """
    if crop == "same":
        return width, height
    rectangle = {"fit": largest_rotated_rect, "keep": rotated_bounds, "aspect": largest_similar_rect}[crop]
    return rectangle(width, height, angle_rad)


def share_lost(width: float, height: float, angle_rad: float, crop: Crop) -> float:
    """The share of a picture's area that lies outside of a crop, from 0 to 1.

    Example:
        >>> round(share_lost(4, 3, math.radians(30), "fit"), 2), share_lost(4, 3, math.radians(30), "keep")
        (0.57, 0.0)
    """
    if crop == "keep":
        return 0.0
    if crop != "same":
        w, h = crop_size(width, height, angle_rad, crop)
        return min(1.0, max(0.0, 1.0 - w * h / (width * height)))
    long, short = max(width, height), min(width, height)
    sin, cos = abs(math.sin(angle_rad)), abs(math.cos(angle_rad))
    if min(sin, cos) < 1e-9:
        return 0.0 if sin < cos else 1.0 - short / long
    if long * (1.0 - cos) >= short * sin:  # the long sides of the canvas alone are crossed
        return max(0.0, 1.0 - short / (long * sin))
    # each corner of the canvas that is cut off is a triangle with a right angle; here are their heights, by pairs
    high, low = (long * cos + short * sin - long) / 2, (long * sin + short * cos - short) / 2
    return (high * high + low * low) / (sin * cos * long * short)


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
