"""What happens to an upright picture on its way to a training example.

One warp turns, crops, flips and zooms; everything that could hide the traces of that warp comes after it. So a network
finds nothing but the picture itself to read the angle from: neither interpolation blur, nor a JPEG grid that turned
with the picture, nor the scale of the inscribed crop, nor black corners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet.geometry.batch_warping import warp_views
from rotnet.geometry.cropping import largest_rotated_rect
from rotnet.geometry.warping import Interpolation, warp_view


@dataclass(frozen=True)
class Augmentation:
    """How strongly training pictures are varied; every probability is for one picture.

    Attributes:
        min_view: Smallest side of the window a picture is seen through, as a share of its short side.
        full_view: Probability of the largest window that fits, the one an answer is later given on.
        flip: Probability of a mirrored picture (mirrored before it is turned, so that the label stays true).
        interpolations: Kernels to draw from.
        colour: Probability of a change of brightness, contrast and saturation.
        soften: Probability of a loss of resolution (scaled down and up again).
        blur: Probability of a Gaussian blur.
        noise: Probability of sensor-like noise.
        jpeg: Probability of a JPEG round trip. Without one, what an earlier compression left in the source shows how
            far it was turned, which no crooked file shows as clearly.
        jpeg_quality: Lowest and highest quality of that round trip.
        saved_scale: Largest size at which a picture is degraded, as a factor of the size that it is then scaled to, at
            least 1: what a network sees of a file is mostly smaller than the file, and so are its blocks.
    """

    min_view: float = 0.5
    full_view: float = 0.5
    flip: float = 0.5
    interpolations: tuple[Interpolation, ...] = ("bilinear", "cubic", "lanczos")
    colour: float = 0.6
    soften: float = 0.3
    blur: float = 0.15
    noise: float = 0.25
    jpeg: float = 1.0
    jpeg_quality: tuple[int, int] = (50, 95)
    saved_scale: float = 1.5

    def __call__(
        self, image: NDArray[np.uint8], angle: float, size: tuple[int, int], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        return random_view(image, angle, size, rng, self)


@dataclass(frozen=True)
class DigitAugmentation:
    """How strongly digits on their canvas are varied.

    Attributes:
        zoom: Smallest and largest size, as a share of the digit's own.
        shift: Furthest move along each side, pixels.
        gain: Smallest and largest factor of the pixel values, which thins or fattens the stroke once it is binarized.
        interpolations: Kernels to draw from.
    """

    zoom: tuple[float, float] = (0.9, 1.1)
    shift: float = 1.0
    gain: tuple[float, float] = (0.6, 1.7)
    interpolations: tuple[Interpolation, ...] = ("bilinear", "cubic")

    def __call__(
        self, image: NDArray[np.uint8], angle: float, size: tuple[int, int], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        return self.batch(image[np.newaxis], [angle], size, rng)[0]

    def batch(
        self, images: NDArray[np.uint8], angles: ArrayLike, size: tuple[int, int], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """The same for `(N, H, W, C)` or `(N, H, W)` pictures and `(N,)` angles: what one call after another gives.

        Of the pixels of a cubic kernel, about one in 10,000 differs by one value before the gain.
        """
        zoom, down, right, kernel, gain = _chance(rng, len(images), len(self.interpolations))
        zoom = _between(self.zoom[0], self.zoom[1], zoom)[:, np.newaxis]
        turned = warp_views(
            images,
            angles,
            size,
            view_sizes=np.array(images.shape[1:3]) / zoom,
            offsets=_between(-self.shift, self.shift, np.stack([down, right], axis=1)),
            interpolation=[self.interpolations[k] for k in kernel.astype(int).tolist()],
        )
        low, high = np.log(self.gain)
        varied = turned * np.exp(_between(low, high, gain)).reshape(-1, *(1,) * (turned.ndim - 1))
        return np.minimum(varied, 255, out=varied).astype(np.uint8)


def _chance(rng: np.random.Generator, number: int, count: int) -> NDArray[np.float64]:
    """`(5, number)`: for one picture after another `random()` three times, `integers(count)` and `random()`.

    A call of NumPy's costs as much as a fifth of a digit, so that pairs of pictures are made of the generator's own
    words, as NumPy does: a fraction is the upper 53 bits of one, an integer half of one, whose other half is kept for
    the next.
    """
    chance = np.empty((5, number))
    bits = rng.bit_generator
    paired = 0
    # other counts may need a second draw
    if count in (2, 4, 8) and isinstance(bits, np.random.PCG64) and not bits.state["has_uint32"]:
        paired = number - number % 2
        words = bits.random_raw(9 * (paired // 2)).reshape(-1, 9).T
        fractions = (words >> np.uint64(11)) * 2.0**-53
        chance[:, 0:paired:2] = fractions[[0, 1, 2, 3, 4]]
        chance[:, 1:paired:2] = fractions[[5, 6, 7, 3, 8]]
        halves = np.stack([words[3] & np.uint64(2**32 - 1), words[3] >> np.uint64(32)], axis=1)
        chance[3, :paired] = (halves.ravel() * np.uint64(count)) >> np.uint64(32)
    for place in range(paired, number):
        chance[:, place] = rng.random(), rng.random(), rng.random(), rng.integers(count), rng.random()
    return chance


def _between(low: float, high: float, chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """What `Generator.uniform` makes of numbers in [0, 1)."""
    return low + (high - low) * chance


# the largest window, nothing else: what a picture to measure on goes through
UNDEGRADED = Augmentation(
    full_view=1.0, flip=0.0, interpolations=("bilinear",), colour=0, soften=0, blur=0, noise=0, jpeg=0, saved_scale=1.0
)

# the same, saved as a file, as crooked pictures are
SAVED = replace(UNDEGRADED, jpeg=1.0, jpeg_quality=(90, 90), saved_scale=1.5)


def random_view(
    image: NDArray[np.uint8], angle: float, size: tuple[int, int], rng: np.random.Generator, how: Augmentation
) -> NDArray[np.uint8]:
    """Turn an upright picture by `angle` and look at it through a random window, then degrade it.

    Args:
        image: `(H, W, C)` uint8, upright.
        angle: Degrees, counter-clockwise as seen.
        size: `(height, width)` of the result, pixels.
        rng: Source of all chance.
        how: Strength of the variation.

    Returns:
        `(height, width, C)` uint8 without a corner from outside the picture.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> random_view(np.zeros((60, 80, 3), np.uint8), 30.0, (32, 32), rng, Augmentation()).shape
        (32, 32, 3)
    """
    height, width = image.shape[:2]
    free_width, free_height = largest_rotated_rect(width, height, math.radians(angle))
    largest = min(free_height / size[0], free_width / size[1])  # pixels of the picture to one of the result
    # the lower bound is a share of the picture, not of the crop, so that scale does not tell the angle
    smallest = min(largest, how.min_view * min(width, height) / max(size))
    step = largest if rng.random() < how.full_view else rng.uniform(smallest, largest)
    view = (step * size[0], step * size[1])
    offset = (rng.uniform(-0.5, 0.5) * (free_height - view[0]), rng.uniform(-0.5, 0.5) * (free_width - view[1]))
    scale = rng.uniform(1.0, how.saved_scale)
    saved_size = (round(scale * size[0]), round(scale * size[1]))
    turned = warp_view(
        image,
        angle,
        saved_size,
        view_size=view,
        offset=offset,
        flip=bool(rng.random() < how.flip),
        fill=None,
        interpolation=how.interpolations[rng.integers(len(how.interpolations))],
    )
    degraded = degrade(turned, rng, how)
    if saved_size == tuple(size):
        return degraded
    return cv2.resize(degraded, (size[1], size[0]), interpolation=cv2.INTER_AREA).reshape(*size, image.shape[2])


def degrade(image: NDArray[np.uint8], rng: np.random.Generator, how: Augmentation) -> NDArray[np.uint8]:
    """Vary colour, sharpness, noise and compression of a picture that is already turned.

    Args:
        image: `(H, W, 3)` or `(H, W, 1)` uint8.
        rng: Source of all chance.
        how: Strength of the variation.

    Returns:
        uint8 array of the same shape.
    """
    height, width, channels = image.shape
    if rng.random() < how.colour:
        image = _vary_colour(image, rng)
    if rng.random() < how.soften:
        share = rng.uniform(0.4, 1.0)
        small = (max(1, round(width * share)), max(1, round(height * share)))
        kernel = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(2)]
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (width, height), interpolation=kernel)
    if rng.random() < how.blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.5))
    if rng.random() < how.noise:
        noise = rng.standard_normal((height, width, channels), dtype=np.float32) * np.float32(rng.uniform(1, 12))
        image = np.clip(np.rint(image.reshape(height, width, channels) + noise), 0, 255).astype(np.uint8)
    if rng.random() < how.jpeg:
        quality = int(rng.integers(*how.jpeg_quality, endpoint=True))
        image = _jpeg_round_trip(image.reshape(height, width, channels), quality)
    return image.reshape(height, width, channels)


def _jpeg_round_trip(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    # OpenCV takes and gives BGR
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR if image.shape[2] == 3 else cv2.IMREAD_GRAYSCALE)
    return np.asarray(decoded, np.uint8).reshape(image.shape)[..., ::-1]


def _vary_colour(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    varied = image.astype(np.float32)
    if image.shape[2] == 3 and rng.random() < 0.5:
        grey = varied.mean(axis=2, keepdims=True)
        varied = grey + (varied - grey) * np.float32(rng.uniform(0.0, 1.4))
    middle = varied.mean()
    varied = (varied - middle) * np.float32(rng.uniform(0.7, 1.3)) + middle + np.float32(rng.uniform(-25, 25))
    return np.clip(varied, 0, 255).astype(np.uint8)
