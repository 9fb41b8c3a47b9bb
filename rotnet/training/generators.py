"""A stream of rotated pictures made from upright ones: nobody labels anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import keras
import numpy as np
from numpy.typing import NDArray

from rotnet.datasets.augmentation import DigitAugmentation
from rotnet.geometry.batch_warping import generate_rotated_images
from rotnet.geometry.cropping import crop_around_center
from rotnet.geometry.warping import generate_rotated_image
from rotnet.images import reading
from rotnet.training.cache import open_cache
from rotnet.training.labels import Label, choose_label, encode_labels
from rotnet.training.reader import Reader, Upright

if TYPE_CHECKING:
    import tensorflow as tf

ColorMode = Literal["rgb", "grayscale"]
# makes an example of an upright picture, its angle, its `(height, width)` and a source of random numbers
Augment = Callable[[NDArray[np.uint8], float, tuple[int, int], np.random.Generator], NDArray]
SMALL = 2**16  # pixel values, above which a picture costs more to warp than to prepare


class RotNetDataGenerator(keras.utils.PyDataset):
    """Batches of pictures, each turned by a random angle, with that angle as the label.

    A batch depends on nothing but `seed`, the epoch and its index: any number of workers, threads or processes gives
    the same pictures. `for images, labels in generator` goes through one epoch; Keras moves on to the next after each
    pass over the generator, `evaluate` and `predict` included. `next(generator)` gives one batch after the other,
    epoch after epoch.

    Args:
        input: Upright pictures: an array `(N, H, W)` or `(N, H, W, C)`, a sequence of arrays of various sizes, or a
            sequence of file paths, read when they are needed. Pixel values are those `rotnet.read_image` takes.
            Examples are made from as few pixels as they need: JPEG is decoded no larger, and what else is larger is
            halved first. The pictures themselves are never changed.
        input_shape: `(height, width)` or `(height, width, channels)` of the pictures in a batch, pixels. None takes it
            from the first picture.
        color_mode: `"rgb"` or `"grayscale"`. One array of gray pictures, `(N, H, W)` or `(N, H, W, 1)`, stays gray with
            `"rgb"` too, as in the original RotNet, unless `input_shape` names 3 channels.
        batch_size: Pictures in a batch; the last batch may be smaller.
        one_hot: True for 360-way labels. False for the fraction of a full turn, in [0, 1), as in the original RotNet:
            `angle_error_regression` takes it.
        preprocess_func: Called with each float32 batch `(N, height, width, channels)`, returns what the model gets.
        rotate: False turns every picture by 0 degrees (label 0); all else, the sampling included, stays the same.
        crop_center: Look only at the centre square of each picture.
        crop_largest_rect: Crop to the largest rectangle without black corners.
        shuffle: Draw the pictures in a new order each epoch.
        seed: Integer, not negative; None draws one, which is then found in `.seed`.
        sigma: Degrees, > 0; makes 360-way labels soft, a Gaussian bent around the circle instead of a single one.
        label: Overrides `one_hot`: `"one_hot"`, `"soft"`, `"angle"` (degrees), `"turn"` (the fraction of a full turn)
            or `"sincos"` (`(N, 2)`).
        augmentation: None; or what makes an example in the place of `crop_center` and `crop_largest_rect`, called with
            `(image, angle, size, rng)`: `Augmentation`, which varies photographs by view, flip, colour, blur, noise and
            JPEG, `DigitAugmentation`, or a function of one's own, which must not write into the image.
        same_every_epoch: True gives the same pictures in every epoch, as a validation set needs.
        cache: None; or where pictures are kept once they are decoded and scaled down: `"memory"`, for files and for
            arrays, which must not change then; or a folder, for files. What is kept of a file whose time or size has
            changed is not used.
        cache_bytes: How much is kept at most.
        **kwargs: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Attributes:
        images: What was given as `input`.
        epoch: Counts up after each pass unless `same_every_epoch`; may be set, to repeat an epoch or to resume at one.
        input_shape: `(height, width, channels)` of the pictures in a batch.

    Raises:
        ValueError: An argument is not as described, or there are no pictures.
        OutputError: The folder of `cache` cannot be made.
        ImageError: A file cannot be read as a picture (raised when its batch is made). Inside `fit` TensorFlow may wrap
            it in an error of its own, which names the file as well.

    Example:
        >>> upright = np.zeros((8, 28, 28), np.uint8)
        >>> generator = RotNetDataGenerator(upright, batch_size=4, seed=1)
        >>> batch, labels = next(generator)
        >>> batch.shape, labels.shape, len(generator)
        ((4, 28, 28, 1), (4, 360), 2)
    """

    def __init__(
        self,
        input: NDArray | Sequence[Upright],
        input_shape: tuple[int, ...] | None = None,
        color_mode: ColorMode = "rgb",
        batch_size: int = 64,
        one_hot: bool = True,
        preprocess_func: Callable[[NDArray[np.float32]], Any] | None = None,
        rotate: bool = True,
        crop_center: bool = False,
        crop_largest_rect: bool = False,
        shuffle: bool = False,
        seed: int | None = None,
        *,
        sigma: float | None = None,
        label: Label | None = None,
        augmentation: Augment | None = None,
        same_every_epoch: bool = False,
        cache: str | PathLike[str] | None = None,
        cache_bytes: int = 2**32,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if color_mode not in ("rgb", "grayscale"):
            raise ValueError(f"color_mode must be 'rgb' or 'grayscale'. Received: color_mode={color_mode!r}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1. Received: batch_size={batch_size}.")
        if isinstance(input, (str, bytes, PathLike)) or len(input) == 0:
            raise ValueError(f"input must be an array or a sequence with at least one picture. Received: {input!r}.")
        if _is_array_of_pictures(input) and input.ndim not in (3, 4):
            raise ValueError(f"input must be (N, H, W) or (N, H, W, C). Received: shape {input.shape}.")
        if label is None and not one_hot:
            label = "turn"
        label = choose_label(label, sigma)
        if seed is not None and seed < 0:
            raise ValueError(f"seed must be None or at least 0. Received: seed={seed}.")
        self.images = input
        self.color_mode = color_mode
        self.batch_size = batch_size
        self.preprocess_func = preprocess_func
        self.rotate = rotate
        self.crop_center = crop_center
        self.crop_largest_rect = crop_largest_rect
        self.shuffle = shuffle
        self.seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        self.sigma = sigma
        self.label = label
        self.augmentation = augmentation
        self.same_every_epoch = same_every_epoch
        self.epoch = 0
        self._cache = None if cache is None else open_cache(cache, cache_bytes)
        self._position = 0
        self.input_shape = self._full_shape(input_shape)
        square = crop_center and augmentation is None
        self._reader = Reader(self.input_shape[2], short_side=self._sufficient_side(), square=square)

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, NDArray]:
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}). Received: index={index}.")
        return self._batch(self.epoch, index)

    def __next__(self) -> tuple[Any, NDArray]:
        batch = self[self._position]
        self._position += 1
        if self._position == len(self):
            self._position = 0
            self.on_epoch_end()
        return batch

    def on_epoch_end(self) -> None:
        """Move on to the pictures of the next epoch; Keras calls this."""
        if not self.same_every_epoch:
            self.epoch += 1

    def to_tf_dataset(self) -> tf.data.Dataset:
        """The batches as a `tf.data.Dataset`, made by `workers` threads ahead of their use.

        Each pass over it is one epoch, and counts as one here.

        Returns:
            A dataset of `(images, labels)`, both float32, `images` of shape `(None, height, width, channels)`.

        Raises:
            ModuleNotFoundError: TensorFlow is not installed.
            ValueError: There is a `preprocess_func`: map it over the dataset instead.

        Example:
            >>> generator = RotNetDataGenerator(np.zeros((8, 28, 28), np.uint8), batch_size=4)
            >>> [tuple(images.shape) for images, labels in generator.to_tf_dataset()]
            [(4, 28, 28, 1), (4, 28, 28, 1)]
        """
        import tensorflow as tf

        if self.preprocess_func is not None:
            raise ValueError("preprocess_func must be None for a tf.data.Dataset: map it over the dataset instead.")

        def numbers() -> Iterator[tuple[int, int]]:
            epoch = self.epoch
            self.on_epoch_end()
            yield from ((epoch, index) for index in range(len(self)))

        def batch(epoch: Any, index: Any) -> Any:
            images, labels = tf.numpy_function(self._batch, [epoch, index], [tf.float32, tf.float32], stateful=False)
            return tf.ensure_shape(images, (None, *self.input_shape)), tf.ensure_shape(labels, label_shape)

        label_shape = (None, *encode_labels([0.0], self.label, self.sigma).shape[1:])
        scalar = tf.TensorSpec((), tf.int64)
        dataset = tf.data.Dataset.from_generator(numbers, output_signature=(scalar, scalar))
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(self)))
        workers = max(1, self.workers)
        return dataset.map(batch, num_parallel_calls=workers, deterministic=True).prefetch(workers)

    def _batch(self, epoch: int, index: int) -> tuple[Any, NDArray]:
        rng = np.random.default_rng((self.seed, epoch, index))
        chosen = self._order(epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        angles = rng.uniform(0.0, 360.0, len(chosen)) if self.rotate else np.zeros(len(chosen))
        batch = self._examples(chosen, angles, rng)
        labels = encode_labels(angles, self.label, self.sigma)
        return (self.preprocess_func(batch) if self.preprocess_func else batch), labels

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if not self.shuffle:
            return np.arange(len(self.images))
        # the last number keeps this stream apart from that of batch 0: NumPy takes missing numbers for zeros
        return np.random.default_rng((self.seed, epoch, 0, 1)).permutation(len(self.images))

    def _read(self, index: int) -> NDArray[np.uint8]:
        image = self.images[index]
        if self._cache is None or self._reader.is_idle(image):
            return self._reader(image)
        if isinstance(image, (str, PathLike)):
            return self._cache.read(Path(image), self._reader, variant=str(self._reader))
        return self._cache.array(index, lambda: self._reader(image))

    def _sufficient_side(self) -> int | None:
        """Pixels along the shorter side of a picture that no window holds fewer of than the output; None for all."""
        if self.augmentation is None:
            smallest = 0.5 if self.crop_largest_rect else 1.0  # share of the short side: 0.5 in a panorama
        elif (min_view := getattr(self.augmentation, "min_view", None)) is not None:
            smallest = min(0.5, min_view)
        else:
            return None
        return math.ceil(max(self.input_shape[:2]) * max(reading.DETAIL, 1 / smallest)) if smallest > 0 else None

    def _examples(
        self, chosen: NDArray[np.int64], angles: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        size, varied = self.input_shape[:2], self.augmentation
        # a variation of one's own knows single pictures only
        stack = self._small_stack(chosen) if varied is None or type(varied) is DigitAugmentation else None
        if stack is not None and isinstance(varied, DigitAugmentation):
            return varied.batch(stack, angles, size, rng).astype(np.float32)
        if stack is not None:
            turned = generate_rotated_images(stack, angles, size, self.crop_center, self.crop_largest_rect)
            return turned.astype(np.float32)
        examples = [self._example(i, angle, rng) for i, angle in zip(chosen, angles, strict=True)]
        return np.stack(examples, dtype=np.float32)

    def _small_stack(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8] | None:
        """Pictures in one piece; None where they are better made ready one by one."""
        images = self.images
        if not isinstance(images, np.ndarray) or images.dtype.kind not in "buif" or images[0].size > SMALL:
            return None
        return self._reader.stack(images, chosen)

    def _example(self, index: int, angle: float, rng: np.random.Generator) -> NDArray:
        image, size = self._read(index), self.input_shape[:2]
        if self.augmentation is not None:
            return self.augmentation(image, angle, size, rng)
        return generate_rotated_image(image, angle, size, self.crop_center, self.crop_largest_rect)

    def _full_shape(self, input_shape: tuple[int, ...] | None) -> tuple[int, int, int]:
        stays_gray = _is_gray(self.images) and tuple(input_shape or ())[2:] != (3,)
        channels = 1 if stays_gray or self.color_mode == "grayscale" else 3
        if input_shape is None:
            image = Reader(channels)(self.images[0])
            if self.crop_center or hasattr(self.augmentation, "min_view"):
                side = min(image.shape[:2])
                image = crop_around_center(image, side, side)
            input_shape = image.shape[:2]
        if len(input_shape) not in (2, 3) or min(input_shape) < 1 or tuple(input_shape[2:]) not in ((), (channels,)):
            raise ValueError(
                f"input_shape must be (height, width) or (height, width, {channels}) for "
                f"color_mode={self.color_mode!r}. Received: input_shape={input_shape}."
            )
        return (int(input_shape[0]), int(input_shape[1]), channels)


def _is_array_of_pictures(input: NDArray | Sequence[Upright]) -> TypeGuard[NDArray]:
    return isinstance(input, np.ndarray) and input.dtype.kind in "buif"


def _is_gray(input: NDArray | Sequence[Upright]) -> bool:
    return _is_array_of_pictures(input) and (input.ndim == 3 or input.shape[3] == 1)
