"""Turning pictures where the network runs, on any backend of Keras, instead of on the processor beforehand.

turned, labels = RandomUprightRotation((280, 280), sigma=3.0)(upright)
examples = RandomDegradation(size=(224, 224))(turned)
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from rotnet.training.compiling import compiled
from rotnet.training.jpeg_simulation import jpeg_round_trip
from rotnet.training.labels import Label, choose_label, encode_labels_on_device

# the random numbers of a picture, uniform in [0, 1), in the order they are drawn in
VIEW_DRAWS = ("angle", "full_view", "zoom", "down", "right", "flip")
COLOUR_DRAWS = ("colour", "fade", "saturation", "contrast", "brightness")
DEGRADATION_DRAWS = ("blur", "width", "noise", "strength", "jpeg", "quality")


@keras.saving.register_keras_serializable("rotnet")
class RandomUprightRotation(keras.layers.Layer):
    """Turns upright pictures by random angles, shows a window without empty corners, and tells the angles.

    Angle, crop, zoom, shift and mirroring are one sampling, bilinear, with the repeated edge beyond the picture. It is
    anti-aliased by a grid finer than the output, averaged: the same for all pictures, no further than 1.5 pixels apart
    in the largest window. Pictures of up to three times the size of the output go well with it; shrink larger ones.
    Where the grids are the same, `rotnet.geometry.warping.warp_view` gives the same pixel values within 1 in the mean.

    It works on batches, inside a model (see `RotationTrainer`) and in `tf.data` (`dataset.batch(32).map(layer)`). Like
    the random layers of Keras it acts when it is called alone or with `training=True`. Inside a model that is not being
    trained it shows the largest upright window, with the label of angle 0.

    Args:
        size: `(height, width)` of the result, pixels; None keeps that of the pictures.
        label: `"one_hot"`, `"soft"` (360 classes, a Gaussian of `sigma`), `"angle"` (degrees), `"turn"` (its share of
            a full turn) or `"sincos"`. None is `"one_hot"`, or `"soft"` with a `sigma`.
        sigma: Degrees, > 0, of soft labels.
        angles: Lowest and highest angle, degrees, counter-clockwise as seen.
        min_view: Smallest window, as a share of the picture's short side.
        full_view: Probability of the largest window that fits, the one an answer is later given on.
        flip: Probability of a mirrored picture (mirrored before it is turned, so that the label stays true).
        colour: Probability of a change of brightness, contrast and saturation.
        seed: Integer, or None to draw one.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Raises:
        ValueError: An argument is not as described.

    Example:
        >>> layer = RandomUprightRotation((32, 32), seed=1)
        >>> turned, labels = layer(np.zeros((4, 60, 80, 3), np.uint8))
        >>> tuple(turned.shape), tuple(labels.shape)
        ((4, 32, 32, 3), (4, 360))
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        *,
        label: Label | None = None,
        sigma: float | None = None,
        angles: tuple[float, float] = (0.0, 360.0),
        min_view: float = 0.5,
        full_view: float = 0.5,
        flip: float = 0.5,
        colour: float = 0.6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # pixel values up to 255 and coordinates want more digits than a half-precision policy has
        super().__init__(**{"dtype": "float32", **kwargs})
        label = choose_label(label, sigma)
        _check_size(size)
        if np.shape(angles) != (2,) or not np.isfinite(angles).all():
            raise ValueError(f"angles must be (lowest, highest), finite degrees. Received: angles={angles!r}.")
        for name, share in {"min_view": min_view, "full_view": full_view, "flip": flip, "colour": colour}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be in [0, 1]. Received: {name}={share}.")
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.label = label
        self.sigma = sigma
        self.angles = (float(angles[0]), float(angles[1]))
        self.min_view = min_view
        self.full_view = full_view
        self.flip = flip
        self.colour = colour
        self.seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, images: Any, training: bool = True) -> tuple[Any, Any]:
        """Turn `(N, H, W, C)` pictures of pixel values 0 to 255.

        Args:
            images: The pictures, any type of number, H and W known.
            training: False leaves them upright and only scales them.

        Returns:
            `(N, height, width, C)` whole pixel values and `(N, ...)` labels, float32.
        """
        height, width = images.shape[1:3]
        size = self.size or (height, width)
        if not training:
            zeros = ops.zeros((ops.shape(images)[0],))
            step = zeros + min(height / size[0], width / size[1])
            upright = rotate_views(images, zeros, size, step=step, offset=(zeros, zeros), flip=zeros > 0)
            return ops.round(upright), encode_labels_on_device(zeros, self.label, self.sigma)
        chance = _draw(ops.shape(images)[0], VIEW_DRAWS + COLOUR_DRAWS, self.seed_generator)
        low, high = self.angles
        angle = low + (high - low) * chance["angle"]
        free_height, free_width = _inscribed(height, width, angle)
        # the window keeps the proportions of the output: `largest` and `smallest` are source pixels for one of it
        largest = ops.minimum(free_height / size[0], free_width / size[1])
        smallest = ops.minimum(largest, self.min_view * min(height, width) / max(size))
        step = ops.where(
            chance["full_view"] < self.full_view, largest, smallest + chance["zoom"] * (largest - smallest)
        )
        down, right = chance["down"] - 0.5, chance["right"] - 0.5
        turned = rotate_views(
            images,
            angle,
            size,
            step=step,
            offset=(down * (free_height - step * size[0]), right * (free_width - step * size[1])),
            flip=chance["flip"] < self.flip,
        )
        hue = {name: chance[name] for name in COLOUR_DRAWS}
        return ops.round(_vary_colour(turned, hue, self.colour)), encode_labels_on_device(angle, self.label, self.sigma)

    def get_config(self) -> dict[str, Any]:
        """Arguments to make the layer anew."""
        names = ("size", "label", "sigma", "angles", "min_view", "full_view", "flip", "colour", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("rotnet")
class RandomDegradation(keras.layers.Layer):
    """Blurs pictures, adds noise and compresses them, after they were turned, to hide what the turning left behind.

    It acts when it is called alone or with `training=True`. Inside a model that is not being trained it only scales.

    Args:
        blur: Probability of a Gaussian blur of 0.3 to 1.5 pixels.
        noise: Probability of Gaussian noise with a standard deviation of 1 to 12 pixel values.
        jpeg: Probability of what JPEG loses. Without it, what an earlier compression left in the source shows how far
            it was turned, which no crooked file shows as clearly.
        jpeg_quality: Lowest and highest quality, of 1 to 100.
        size: `(height, width)` to which the pictures are scaled in the end, with anti-aliasing; None leaves theirs.
            What a network sees of a file is mostly smaller than the file: let `RandomUprightRotation` make more.
        seed: Integer, or None to draw one.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Raises:
        ValueError: An argument is not as described.

    Example:
        >>> tuple(RandomDegradation(size=(24, 24), seed=1)(np.zeros((2, 32, 32, 3), np.float32)).shape)
        (2, 24, 24, 3)
    """

    RADIUS = 4

    def __init__(
        self,
        blur: float = 0.4,
        noise: float = 0.25,
        *,
        jpeg: float = 1.0,
        jpeg_quality: tuple[int, int] = (50, 95),
        size: tuple[int, int] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        for name, share in {"blur": blur, "noise": noise, "jpeg": jpeg}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be in [0, 1]. Received: {name}={share}.")
        if np.shape(jpeg_quality) != (2,) or not 1 <= jpeg_quality[0] <= jpeg_quality[1] <= 100:
            raise ValueError(f"jpeg_quality must be (low, high), 1 to 100. Received: jpeg_quality={jpeg_quality}.")
        _check_size(size)
        self.blur = blur
        self.noise = noise
        self.jpeg = jpeg
        self.jpeg_quality = (int(jpeg_quality[0]), int(jpeg_quality[1]))
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, images: Any, training: bool = True) -> Any:
        """Degrade `(N, H, W, C)` pictures of pixel values 0 to 255; whole ones come back, float32.

        Args:
            images: The pictures, H and W known, C = 1 or 3.
            training: False only scales them to `size`.
        """
        images = ops.cast(images, "float32")
        return self._scaled(self._degraded(images) if training else images)

    def _degraded(self, images: Any) -> Any:
        chance = _draw(ops.shape(images)[0], DEGRADATION_DRAWS, self.seed_generator)
        # so narrow for those that stay sharp that it does nothing
        sigma = ops.where(chance["blur"] < self.blur, 0.3 + 1.2 * chance["width"], 0.01)
        distance = ops.arange(-self.RADIUS, self.RADIUS + 1, dtype="float32")
        kernel = ops.softmax(-0.5 * ops.square(distance / sigma[:, None]), axis=1)
        images = _blur_along(_blur_along(images, kernel, 1), kernel, 2)
        deviation = ops.where(chance["noise"] < self.noise, 1.0 + 11.0 * chance["strength"], 0.0)
        noise = keras.random.normal(ops.shape(images), seed=self.seed_generator)
        images = ops.round(ops.clip(images + noise * deviation[:, None, None, None], 0.0, 255.0))
        if self.jpeg > 0:
            low, high = self.jpeg_quality
            compressed = jpeg_round_trip(images, low + chance["quality"] * (high + 1 - low))
            images = ops.where(chance["jpeg"][:, None, None, None] < self.jpeg, compressed, images)
        return images

    def _scaled(self, images: Any) -> Any:
        if self.size is not None and self.size != tuple(images.shape[1:3]):
            images = ops.image.resize(images, self.size, antialias=True, data_format="channels_last")
            images = ops.clip(ops.round(images), 0.0, 255.0)
        return images

    def get_config(self) -> dict[str, Any]:
        """Arguments to make the layer anew."""
        names = ("blur", "noise", "seed", "jpeg", "jpeg_quality", "size")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def rotate_views(
    images: Any, angles: Any, size: tuple[int, int], *, step: Any, offset: tuple[Any, Any], flip: Any
) -> Any:
    """`rotnet.geometry.warping.warp_view` for a batch, on the device.

    Args:
        images: `(N, H, W, C)`, any type of number.
        angles: `(N,)` degrees, counter-clockwise as seen.
        size: `(height, width)` of the result, pixels.
        step: `(N,)` source pixels for one of the result, along a side.
        offset: Down and right, `(N,)` source pixels each, from the centre of the rotated picture to that of the window.
        flip: `(N,)` bool, mirror the picture left to right before it is rotated.

    Returns:
        `(N, height, width, C)` float32.
    """
    images = ops.convert_to_tensor(images)
    rows, columns = images.shape[1:3]
    fineness = max(1, math.ceil(min(rows / size[0], columns / size[1]) / 1.5 - 1e-6))
    grid = size[0] * fineness, size[1] * fineness
    # compiled apart from the sampling, which would find each place anew for every channel
    places = _places(angles, (rows, columns), grid, step=step / fineness, offset=offset, flip=flip)
    return _sampled(images, *places, fineness)


@compiled
def _places(
    angles: Any, source: tuple[int, int], grid: tuple[int, int], *, step: Any, offset: tuple[Any, Any], flip: Any
) -> tuple[Any, Any, Any]:
    """Where in the source the points of a turned grid lie, `(N, *grid)` each.

    The number of the pixel to the upper left among those of all pictures, int32, and how far right of it and below it
    the point is, 0 to 1.
    """
    rows, columns = source
    radians = angles[:, None, None] * (math.pi / 180)
    sin, cos = ops.sin(radians), ops.cos(radians)
    mirror = ops.where(flip, -1.0, 1.0)[:, None, None]
    down, right, step = (value[:, None, None] for value in (*offset, step))
    y = down + step * (ops.arange(grid[0], dtype="float32")[None, :, None] + (0.5 - grid[0] / 2))
    x = right + step * (ops.arange(grid[1], dtype="float32")[None, None, :] + (0.5 - grid[1] / 2))
    column = ops.clip(mirror * (cos * x - sin * y) + (columns - 1) / 2, 0.0, columns - 1.0)
    row = ops.clip(sin * x + cos * y + (rows - 1) / 2, 0.0, rows - 1.0)
    # a point on the last column or row lies all the way right of or below the one before
    left = ops.minimum(ops.floor(column), max(columns - 2.0, 0.0))
    top = ops.minimum(ops.floor(row), max(rows - 2.0, 0.0))
    first = ops.arange(ops.shape(angles)[0], dtype="int32")[:, None, None] * (rows * columns)
    return first + ops.cast(top, "int32") * columns + ops.cast(left, "int32"), column - left, row - top


@compiled
def _sampled(images: Any, corner: Any, right: Any, down: Any, fineness: int) -> Any:
    """Bilinear samples of `(N, H, W, C)` at what `_places` gives, averaged over squares of `fineness`."""
    rows, columns, channels = images.shape[1:]
    pixels = ops.reshape(images, (-1, channels))
    across, below = min(1, columns - 1), columns * min(1, rows - 1)

    def value(index: Any) -> Any:
        return ops.cast(ops.take(pixels, index, axis=0), "float32")

    def sample(y: int, x: int) -> Any:
        index, share_x, share_y = (part[:, y::fineness, x::fineness] for part in (corner, right, down))
        share_x, share_y = share_x[..., None], share_y[..., None]
        upper = value(index) * (1 - share_x) + value(index + across) * share_x
        lower = value(index + below) * (1 - share_x) + value(index + below + across) * share_x
        return upper * (1 - share_y) + lower * share_y

    return sum(sample(y, x) for y in range(fineness) for x in range(fineness)) / fineness**2


def _draw(number: Any, names: tuple[str, ...], seed: keras.random.SeedGenerator) -> dict[str, Any]:
    """Uniform random numbers in [0, 1), `(number,)` of each name."""
    chance = keras.random.uniform((number, len(names)), seed=seed)
    return dict(zip(names, ops.unstack(chance, len(names), axis=1), strict=True))


def _check_size(size: tuple[int, int] | None) -> None:
    if size is not None and (np.shape(size) != (2,) or min(size) < 1):
        raise ValueError(f"size must be None or (height, width), at least 1 pixel each. Received: size={size}.")


def _inscribed(height: int, width: int, angle: Any) -> tuple[Any, Any]:
    """`rotnet.largest_rotated_rect` for angles in degrees, `(N,)`, as height and width."""
    radians = angle * (math.pi / 180)
    sin, cos = ops.abs(ops.sin(radians)), ops.abs(ops.cos(radians))
    half = 0.5 * min(height, width)
    touching = ops.logical_or(min(height, width) <= 2 * sin * cos * max(height, width), ops.abs(sin - cos) < 1e-4)
    # the product rather than a difference of squares: for a square the first factor cancels out exactly
    doubled = ops.where(touching, 1.0, (cos - sin) * (cos + sin))
    over_sin, over_cos = half / ops.maximum(sin, 1e-6), half / ops.maximum(cos, 1e-6)
    tall, wide = (over_cos, over_sin) if width >= height else (over_sin, over_cos)
    return (
        ops.where(touching, tall, (height * cos - width * sin) / doubled),
        ops.where(touching, wide, (width * cos - height * sin) / doubled),
    )


@compiled
def _vary_colour(images: Any, chance: dict[str, Any], probability: float) -> Any:
    """`rotnet.datasets.augmentation`'s change of colour, given `(N,)` random numbers in [0, 1) for `COLOUR_DRAWS`."""
    chance = {name: number[:, None, None, None] for name, number in chance.items()}
    varied = chance["colour"] < probability
    if images.shape[-1] == 3:
        saturation = ops.where(ops.logical_and(varied, chance["fade"] < 0.5), 1.4 * chance["saturation"], 1.0)
        grey = ops.mean(images, axis=-1, keepdims=True)
        images = grey + (images - grey) * saturation
    middle = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    contrast = ops.where(varied, 0.7 + 0.6 * chance["contrast"], 1.0)
    shift = ops.where(varied, 50.0 * chance["brightness"] - 25.0, 0.0)
    return ops.clip((images - middle) * contrast + middle + shift, 0.0, 255.0)


@compiled
def _blur_along(images: Any, kernel: Any, axis: int) -> Any:
    """Weighted mean of neighbours, `(N, 2 * radius + 1)` weights, along the rows or columns of `(N, H, W, C)`."""
    radius, length = kernel.shape[1] // 2, images.shape[axis]
    position = ops.clip(ops.arange(-radius, length + radius), 0, length - 1)
    padded = ops.take(images, position, axis=axis)
    span = [slice(None)] * 4
    total = 0.0
    for number in range(2 * radius + 1):
        span[axis] = slice(number, number + length)
        total = total + padded[tuple(span)] * kernel[:, number, None, None, None]
    return total
