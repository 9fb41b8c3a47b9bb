"""What a network gets to see of a picture, and one answer from what it says to several such views.

A network looks at squares, and what tells up from down may lie at either end of an oblong picture. The views of a
picture are therefore taken alternately from its two ends; they cost no more than those of its middle alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.angles import roll_quarter_turns
from rotnet.geometry.cropping import crop_around_center
from rotnet.geometry.lines import reduced
from rotnet.geometry.warping import square_view
from rotnet.images.converting import as_channels

LONGEST = 2  # squares that a strip is long; beyond, the ends of a picture have little to do with each other
LEAST_SIDE = 160  # pixels; in a smaller picture edges are too short to tell a fraction of a degree
FLOOR = 1e-6  # no view rules an angle out, however sure it is


@dataclass(frozen=True)
class View:
    """What is looked at of a picture, once it is decoded.

    Attributes:
        strip: `(h, w, channels)` uint8 for the network, see `strip_view`.
        grey: `(h, w)` uint8 of the whole picture, in which lines are looked for; None if it is too small.
    """

    strip: NDArray[np.uint8]
    grey: NDArray[np.uint8] | None = None


def view_of(image: NDArray[np.uint8], size: tuple[int, int], channels: int) -> View:
    """What a model looks at of a picture, for pictures of photographs with its lines.

    Args:
        image: `(H, W, 3)` uint8, RGB.
        size: `(height, width)` of the network's input, pixels.
        channels: Of the network's input, 1 or 3. Models of gray pictures look at no photographs.
    """
    strip = as_channels(strip_view(image, size), channels)
    lines = channels == 3 and min(image.shape[:2]) >= LEAST_SIDE
    return View(strip, reduced(image)[0] if lines else None)


def strip_view(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle of a picture, at most two squares long, scaled with anti-aliasing to the width of a network's input.

    Args:
        image: `(H, W)` or `(H, W, C)` uint8.
        size: `(height, width)` of the input, pixels.

    Returns:
        uint8 array with the channels of `image`: the short side is that of `size`, the long one at most twice that. For
        an input that is not square, what `square_view` gives.

    Example:
        >>> strip_view(np.zeros((60, 80, 3), np.uint8), (30, 30)).shape
        (30, 40, 3)
    """
    side = min(image.shape[:2])
    if size[0] != size[1] or image.shape[0] == image.shape[1]:
        return square_view(image, size)
    # whole pixels before and after: a picture stretched to fit would show another angle
    height, width = (min(LONGEST * size[0], length * size[0] // side) for length in image.shape[:2])
    strip = crop_around_center(image, round(width * side / size[0]), round(height * side / size[0]))
    if (height, width) == strip.shape[:2]:
        return strip
    interpolation = cv2.INTER_AREA if side > size[0] else cv2.INTER_LINEAR
    scaled = cv2.resize(np.ascontiguousarray(strip), (width, height), interpolation=interpolation)
    return scaled.reshape(height, width, *image.shape[2:])


def turned_views(strip: NDArray[np.uint8], size: tuple[int, int], turns: int) -> list[NDArray[np.uint8]]:
    """The views of a strip: its middle, or each quarter turn of one of its ends, alternately the first and the last.

    Args:
        strip: What `strip_view` gave.
        size: `(height, width)` of the input, pixels.
        turns: 1 or 4.

    Returns:
        As many arrays of `size`, the k-th turned counter-clockwise by k quarter turns.

    Example:
        >>> strip = np.arange(6).reshape(2, 3)
        >>> [view.ravel().tolist() for view in turned_views(strip, (2, 2), 4)[:2]]
        [[0, 1, 3, 4], [2, 5, 1, 4]]
    """
    if turns == 1:
        return [crop_around_center(strip, size[1], size[0])]
    return [turned_view(strip, size, turn) for turn in range(turns)]


def turned_view(strip: NDArray[np.uint8], size: tuple[int, int], turn: int) -> NDArray[np.uint8]:
    """One of the four `turned_views` of a strip, by its quarter turns."""
    height, width = size
    return np.rot90(strip[-height:, -width:] if turn % 2 else strip[:height, :width], turn)


def pool(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """One answer from those to the views of `turned_views`: their geometric mean, each turned back first.

    Views that err do so in different ways, and a product keeps what they agree on, where a sum keeps all they say
    (Genest and Zidek, 1986).

    Args:
        answers: `(turns, bins)` probabilities.

    Returns:
        `(bins,)` probabilities.

    Example:
        >>> both = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]], np.float32)
        >>> (100 * pool(both)).round().tolist()
        [0.0, 100.0, 0.0, 0.0]
    """
    if len(answers) == 1:
        return answers[0]
    upright = np.stack([roll_quarter_turns(row, turn) for turn, row in enumerate(answers)])
    log = np.log(np.maximum(upright, FLOOR)).mean(axis=0)
    pooled = np.exp(log - log.max())
    return pooled / pooled.sum()
