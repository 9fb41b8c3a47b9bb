"""What a training example is made of: pixels of the picture alone, a true label, and chance that can be repeated."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotnet.datasets import augmentation
from rotnet.datasets.augmentation import UNDEGRADED, Augmentation, DigitAugmentation
from rotnet.geometry import warping

PLAIN = replace(Augmentation(), colour=0, soften=0, blur=0, noise=0, jpeg=0, saved_scale=1.0)
"""Every view and kernel, no degradation."""


def generator(seed=0):
    return np.random.default_rng(seed)


def colours(height, width, channels=3):
    """Slow waves, each channel its own, the left half darker than the right and the top than the bottom."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [60 + 100 * x + 60 * y + 20 * np.sin(9 * x * (1 + k) + 4 * y) for k in range(channels)]
    return np.stack(waves, axis=-1).astype(np.uint8)


SHAPES = st.tuples(st.integers(8, 120), st.integers(8, 120), st.sampled_from([1, 3]))
SIZES = st.tuples(st.integers(4, 64), st.integers(4, 64)).map(lambda size: (size[0], size[0]))
ANGLES = st.floats(-720, 720)
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=200)
@given(SHAPES, ANGLES, SIZES, SEEDS)
def test_a_view_shows_nothing_but_the_picture(shape, angle, size, seed):
    view = PLAIN(np.full(shape, 255, np.uint8), angle, size, generator(seed))
    assert view.shape == (*size, shape[2]) and view.dtype == np.uint8
    assert view.min() == 255


@settings(max_examples=60)
@given(SHAPES, ANGLES, SIZES, SEEDS, st.sampled_from([Augmentation(), PLAIN, UNDEGRADED, DigitAugmentation()]))
def test_views_are_repeated_by_their_seed(shape, angle, size, seed, how):
    image = generator(1).integers(0, 256, shape, np.uint8)
    before = image.copy()
    view = how(image, angle, size, generator(seed))
    assert view.shape == (*size, shape[2]) and view.dtype == np.uint8
    np.testing.assert_array_equal(view, how(image, angle, size, generator(seed)))
    np.testing.assert_array_equal(image, before)


def test_views_differ_by_their_seed():
    views = {Augmentation()(colours(60, 80), 30, (32, 32), generator(seed)).tobytes() for seed in range(20)}
    assert len(views) == 20


@pytest.mark.parametrize("angle", [0, 30, 90, 200])
def test_a_flipped_view_is_that_of_the_mirrored_picture(angle):
    image = colours(60, 81)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    always, never = replace(UNDEGRADED, flip=1.0), UNDEGRADED
    for seed in range(5):
        flipped = always(image, angle, (48, 48), generator(seed)).astype(int)
        np.testing.assert_allclose(flipped, never(mirrored, angle, (48, 48), generator(seed)), atol=1)
        assert abs(flipped - never(image, angle, (48, 48), generator(seed))).mean() > 5


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("angle", range(0, 360, 30))
def test_turning_a_view_back_makes_it_upright(angle, flip):
    y = np.mgrid[0:90, 0:120][0]
    sky = np.repeat((255 - 2 * y)[:, :, None], 3, axis=2).astype(np.uint8)  # light above, whatever the mirror does
    view = replace(PLAIN, flip=flip)(sky, angle, (60, 60), generator(angle))
    level = warping.crop_around_center(warping.rotate(view, -angle, crop="same"), 30, 30)[:, :, 0].astype(int)
    assert np.ptp(level, axis=1).max() <= 3  # rows are of one level again
    assert (np.diff(level.mean(axis=1)) < 0).all()  # and the light is above


def window_side(how, angle, seed, size=32):
    """Side of the window that a view looks through, source pixels, read off the steepness of a ramp."""
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 150, axis=0)
    view = how(ramp, angle, (size, size), generator(seed))[:, :, 0].astype(float)
    return size * np.hypot(*(slope.mean() for slope in np.gradient(view)))


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 160])
def test_windows_reach_from_the_smallest_to_the_largest_that_fits(angle):
    largest = min(warping.largest_rotated_rect(200, 150, np.deg2rad(angle)))
    how = replace(PLAIN, full_view=0.0, min_view=0.5)
    sides = [window_side(how, angle, seed) for seed in range(80)]
    assert 73 < min(sides) < 80 and largest - 8 < max(sides) < largest + 1  # the smallest is the same at every angle
    for seed in range(3):
        assert window_side(UNDEGRADED, angle, seed) == pytest.approx(largest, abs=1)


def test_undegraded_view_of_a_square_is_the_training_example_of_the_generator():
    expected = warping.generate_rotated_image(colours(60, 60), 25, (40, 40), crop_largest_rect=True)
    np.testing.assert_allclose(UNDEGRADED(colours(60, 60), 25, (40, 40), generator()).astype(int), expected, atol=1)


def test_pictures_may_be_degraded_larger_than_they_are_seen(monkeypatch):
    seen = []
    monkeypatch.setattr(augmentation, "degrade", lambda image, rng, how: seen.append(image.shape) or image)
    for seed in range(20):
        assert replace(PLAIN, saved_scale=1.5)(colours(90, 120), 25.0, (40, 60), generator(seed)).shape == (40, 60, 3)
    heights = [shape[0] for shape in seen]
    assert 40 <= min(heights) < 45 and 55 < max(heights) <= 60
    assert all(abs(shape[1] - 1.5 * shape[0]) <= 1.5 for shape in seen)


# Degradation ----------------------------------------------------------------------------------------------------------

KINDS = ["colour", "soften", "blur", "noise", "jpeg"]


@given(SHAPES, SEEDS)
def test_degradation_switched_off_is_the_identity(shape, seed):
    image = generator(1).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(augmentation.degrade(image, generator(seed), PLAIN), image)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(shape=SHAPES, seed=SEEDS)
def test_each_degradation_keeps_shape_and_source(kind, shape, seed):
    image = generator(1).integers(0, 256, shape, np.uint8)
    before = image.copy()
    degraded = augmentation.degrade(image, generator(seed), replace(PLAIN, **{kind: 1.0}))
    assert degraded.shape == shape and degraded.dtype == np.uint8
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_each_degradation_changes_the_picture_and_leaves_it_recognizable(kind, channels):
    image = colours(48, 64, channels)
    change = []
    for seed in range(20):
        degraded = augmentation.degrade(image, generator(seed), replace(PLAIN, **{kind: 1.0})).astype(float)
        change.append(abs(degraded - image).mean())
        assert np.corrcoef(degraded.ravel(), image.ravel())[0, 1] > 0.9
    assert max(change) > 0.1 and max(change) < 60


def test_jpeg_keeps_the_order_of_the_channels():
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, :, 0] = 200
    degraded = augmentation.degrade(red, generator(), replace(PLAIN, jpeg=1.0)).astype(int)
    assert abs(degraded - red).max() < 12


# Digits ---------------------------------------------------------------------------------------------------------------


def test_digits_keep_to_their_bounds():
    disc = np.zeros((28, 28, 1), np.uint8)
    y, x = np.mgrid[0:28, 0:28] - 13.5
    disc[np.hypot(y, x) < 6] = 255
    how = DigitAugmentation(gain=(1.0, 1.0))
    areas, centres = [], []
    for seed in range(100):
        view = how(disc, 10.0 * seed, (28, 28), generator(seed))[:, :, 0].astype(float)
        areas.append(view.sum() / disc.sum(dtype=float))
        centres.append([(view * axis).sum() / view.sum() for axis in (y, x)])
    small, large = how.zoom
    assert small**2 * 0.97 < min(areas) < small and large < max(areas) < large**2 * 1.03
    assert 0.6 * how.shift < np.abs(centres).max() < how.shift * large + 0.05


def test_gain_of_a_digit():
    image = np.full((28, 28, 1), 80, np.uint8)
    still = DigitAugmentation(zoom=(1, 1), shift=0)
    levels = [int(still(image, 0, (28, 28), generator(seed))[14, 14, 0]) for seed in range(50)]
    assert 40 <= min(levels) < 60 and 120 < max(levels) <= 160


def one_by_one(images, angles, size, rng, how):
    """What `DigitAugmentation` is, a picture at a time."""
    for image, angle in zip(images, angles, strict=True):
        zoom, (down, right) = rng.uniform(*how.zoom), rng.uniform(-how.shift, how.shift, 2)
        turned = warping.warp_view(
            image,
            angle,
            size,
            view_size=(image.shape[0] / zoom, image.shape[1] / zoom),
            offset=(down, right),
            interpolation=how.interpolations[rng.integers(len(how.interpolations))],
        )
        low, high = np.log(how.gain)
        yield np.clip(turned * np.exp(rng.uniform(low, high)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kernels", [("bilinear",), ("bilinear", "nearest"), ("cubic", "lanczos", "bilinear")], ids=str)
@pytest.mark.parametrize("number", [1, 2, 9])
@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937], ids=lambda bits: bits.__name__)
@pytest.mark.parametrize("drawn", [0, 1])
def test_a_batch_of_digits_draws_what_one_after_another_does(kernels, number, bits, drawn):
    images = generator().integers(0, 256, (number, 28, 28, 1), np.uint8)
    angles = generator(1).uniform(0, 360, number)
    how = DigitAugmentation(interpolations=kernels)
    one, other = (np.random.Generator(bits(3)) for _ in range(2))
    for rng in (one, other):
        rng.integers(2, size=drawn)  # half a word is left over after this
    views = how.batch(images, angles, (28, 28), one).astype(int)
    expected = np.stack(list(one_by_one(images, angles, (28, 28), other, how)))
    assert np.abs(views - expected).max() <= (2 if "cubic" in kernels else 0)
    assert one.integers(2**62) == other.integers(2**62)
