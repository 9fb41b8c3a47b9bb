"""Upright pictures turned by known angles, each by the same path as a really crooked picture takes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from rotnet.errors import ImageError, UsageError
from rotnet.geometry.warping import rotate
from rotnet.images import reading
from rotnet.images.reading import Source
from rotnet.inference.allowed_angles import AngleRange, allowed_right_angles, check_allowed

Protocol = Literal["memory", "files", "twice", "noise", "upright"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
JPEG_QUALITY = 90
LARGEST_NOISE = 1024  # pixels along a side; more only takes time
SMALLEST_WINDOW = 0.75  # of the sides of an upright picture


@dataclass(frozen=True)
class Trial:
    """An upright picture and the angle it is to be turned by.

    Attributes:
        upright: The picture, whatever `rotnet.read_image` takes.
        angle: Degrees.
        protocol: One of `PROTOCOLS`; see `rotnet.evaluate`.
        seed: Of what else is drawn: that of the evaluation, the number of the picture, how often it was shown before.
    """

    upright: Source
    angle: float
    protocol: Protocol = "files"
    seed: tuple[int, int, int] = (0, 0, 0)

    @property
    def content(self) -> Literal["photograph", "white noise", "texture"]:
        """`"photograph"`, or what takes its place: `"white noise"` and `"texture"`, alternately."""
        if self.protocol != "noise":
            return "photograph"
        return "texture" if sum(self.seed[1:]) % 2 else "white noise"

    def render(self) -> Source:
        """The turned picture, as `rotnet.read_image` takes it; the same at each call.

        Raises:
            ImageError: The upright picture cannot be read, or is too large to be turned.
        """
        repeat = self.seed[2]
        if self.protocol == "upright" and repeat == 0:
            return self.upright
        image = reading.read_image(self.upright)
        rng = np.random.default_rng(self.seed)
        angle = self.angle
        if self.protocol == "upright":
            image = _window(image, rng)
        elif self.protocol == "twice":
            first = float(rng.uniform(0.0, 360.0))
            image = reading.read_image(_jpeg(_turn(image, first)))
            angle -= first
        elif self.protocol == "noise":
            size = min(image.shape[0], LARGEST_NOISE), min(image.shape[1], LARGEST_NOISE)
            image = texture(size, rng) if self.content == "texture" else white_noise(size, rng)
        turned = _turn(image, angle)
        return turned if self.protocol == "memory" else _jpeg(turned)


def make_trials(
    upright: Sequence[Source],
    *,
    protocol: Protocol = "files",
    seed: int = 0,
    repeats: int = 1,
    angles: ArrayLike | None = None,
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
) -> list[Trial]:
    """Decide by how much each picture is turned; the options are those of `rotnet.evaluate`.

    Raises:
        UsageError: An option is not as described, there are no pictures, or not as many angles as trials.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"protocol must be one of {PROTOCOLS}. Received: protocol={protocol!r}.")
    if len(upright) == 0:
        raise UsageError("There is nothing to measure on: name at least one picture, or a folder that holds some.")
    if repeats < 1:
        raise UsageError(f"repeats must be at least 1. Received: repeats={repeats}.")
    if seed < 0:
        raise UsageError(f"seed must be at least 0. Received: seed={seed}.")
    count = len(upright) * repeats
    if protocol == "upright":
        if angles is not None:
            raise UsageError(f"protocol='upright' turns nothing: leave out angles. Received: angles={angles!r}.")
        angles = 0.0
    if angles is None:
        turned_by = _draw(np.random.default_rng(seed), count, angle_range, right_angles)
    else:
        turned_by = np.asarray(angles, np.float64)
    if turned_by.ndim == 0:
        turned_by = np.full(count, turned_by)
    if turned_by.shape != (count,) or not np.isfinite(turned_by).all():
        raise UsageError(f"angles must be one finite number, or one for each of {count} trials. Received: {angles!r}.")
    return [
        Trial(upright[number // repeats], float(angle), protocol, (seed, *divmod(number, repeats)))
        for number, angle in enumerate(turned_by)
    ]


def _draw(
    rng: np.random.Generator, count: int, angle_range: AngleRange | None, right_angles: bool
) -> NDArray[np.float64]:
    """Angles of those that may be answered, each as likely as the others."""
    check_allowed(angle_range, right_angles)
    if right_angles:
        return rng.choice(allowed_right_angles(angle_range), count)
    return rng.uniform(*(angle_range or (0.0, 360.0)), count)


def white_noise(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """`(height, width, 3)` pixel values, each drawn independently."""
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8)


def texture(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """`(height, width, 3)` pixel values of a pattern that looks the same in all directions.

    Its amplitudes fall off as 1/f, like those of photographs (Field, 1987), its phases are random: clouds with no up.
    """
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1])[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal((*size, 3)), axes=(0, 1)) / frequency[..., None]
    values = np.fft.ifft2(spectrum, axes=(0, 1)).real
    scaled = 128.0 + 50.0 * values / max(float(values.std()), 1e-12)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _window(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    scale = rng.uniform(SMALLEST_WINDOW, 1.0)
    height, width = (max(1, int(scale * side)) for side in image.shape[:2])
    top, left = rng.integers(0, image.shape[0] - height + 1), rng.integers(0, image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]


def _turn(image: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    try:
        return rotate(image, angle, crop="fit", interpolation="cubic")
    except ValueError as error:  # too long a side
        raise ImageError(f"the picture cannot be turned: {error}") from error


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
