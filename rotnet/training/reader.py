"""Upright pictures of any kind as arrays to make examples of, none larger than needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.cropping import crop_around_center
from rotnet.geometry.warping import halve
from rotnet.images import converting, reading
from rotnet.images.reading import StrPath

Upright: TypeAlias = "StrPath | NDArray"  # a file or an array


@dataclass(frozen=True)
class Reader:
    """Reads files and arrays alike.

    Attributes:
        channels: 1 or 3.
        short_side: Pixels that suffice along the shorter side. A JPEG file is decoded at the least part of its size
            that has them, everything else is halved as often as leaves them. None keeps pictures as large as they are.
        square: Only the square amid a picture is looked at, so that the rest need not be halved.

    Example:
        >>> Reader(3, short_side=40)(np.zeros((90, 120, 3), np.uint8)).shape
        (45, 60, 3)
    """

    channels: int
    short_side: int | None = None
    square: bool = False

    def __call__(self, image: Upright) -> NDArray[np.uint8]:
        """What is made of a picture.

        Args:
            image: A file or an array, with pixel values as for `rotnet.read_image`.

        Returns:
            `(H, W, channels)` uint8, not to be written into: it may be the array itself.

        Raises:
            ImageError: It cannot be read as a picture.
        """
        if self._is_converted(image):
            pixels = image
        else:
            pixels = converting.as_channels(reading.read_image(image, short_side=self.short_side), self.channels)
        if self._is_too_large(pixels) and self.square:
            side = min(pixels.shape[:2])
            pixels = crop_around_center(pixels, side, side)
        while self._is_too_large(pixels):
            pixels = halve(pixels)
        pixels = pixels.reshape(*pixels.shape[:2], self.channels)
        pixels.flags.writeable = False
        return pixels

    def stack(self, images: NDArray, chosen: NDArray[np.int64]) -> NDArray[np.uint8] | None:
        """What is made of those chosen among pictures of one size, in one piece.

        Args:
            images: `(N, H, W)` or `(N, H, W, C)`, at least one.
            chosen: Their numbers, `(M,)`.

        Returns:
            `(M, H, W, channels)` uint8; None where there is something to be done to one of them, so that they are
            better read one by one.
        """
        channels = images.shape[3] if images.ndim == 4 else 1
        if images.dtype != np.uint8 or channels != self.channels or not images.size or self._is_too_large(images[0]):
            return None
        stack = images[chosen].reshape(len(chosen), *images.shape[1:3], self.channels)
        # among these are the masks
        return None if (stack.reshape(len(chosen), -1).max(axis=1) == 1).any() else stack

    def is_idle(self, image: Upright) -> bool:
        """Whether nothing has to be done to a picture."""
        return self._is_converted(image) and not self._is_too_large(image)

    def _is_converted(self, image: Upright) -> TypeGuard[NDArray]:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or not image.size or converting.is_mask(image):
            return False
        return image.shape[2:] == (self.channels,) or (image.ndim == 2 and self.channels == 1)

    def _is_too_large(self, image: NDArray) -> bool:
        return self.short_side is not None and min(image.shape[:2]) // 2 >= self.short_side
