"""A batch holds the pixels that its pictures have one by one."""

import numpy as np
import pytest

from rotnet.geometry.batch_warping import generate_rotated_images, warp_views
from rotnet.geometry.warping import INTERPOLATIONS, generate_rotated_image, warp_view

ANGLES = [0.0, 13.3, 45.0, 90.0, 180.0, 222.2, 270.0, 359.9, -30.0, 720.5]


def noise(*shape, dtype=np.uint8):
    values = np.random.default_rng(0).integers(0, 256, shape)
    return (values / 255).astype(dtype) if np.dtype(dtype).kind == "f" else values.astype(dtype)


@pytest.mark.parametrize("tail", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("size", [(28, 20), (17, 40), (7, 7)])
@pytest.mark.parametrize("repeat_edge", [False, True])
@pytest.mark.parametrize("interpolation", sorted(INTERPOLATIONS))
def test_views_are_those_of_single_pictures(tail, size, repeat_edge, interpolation):
    images = noise(len(ANGLES), 28, 21, *tail)
    rng = np.random.default_rng(1)
    view_sizes, offsets = rng.uniform(18, 30, (len(ANGLES), 2)), rng.uniform(-3, 3, (len(ANGLES), 2))
    views = warp_views(
        images,
        ANGLES,
        size,
        view_sizes=view_sizes,
        offsets=offsets,
        interpolation=interpolation,
        repeat_edge=repeat_edge,
    )
    assert views.shape == (len(ANGLES), *size, *tail) and views.dtype == np.uint8
    expected = [
        warp_view(
            image,
            angle,
            size,
            view_size=tuple(view),
            offset=tuple(offset),
            fill=None if repeat_edge else 0,
            interpolation=interpolation,
        )
        for image, angle, view, offset in zip(images, ANGLES, view_sizes, offsets, strict=True)
    ]
    difference = np.abs(views.astype(int) - expected)
    # a margin moves coordinates, which OpenCV holds in 24 bits
    tolerated = 1 if interpolation in ("cubic", "lanczos") else 0
    assert difference.max() <= tolerated and (difference > 0).mean() < 0.002


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
@pytest.mark.parametrize("size", [(24, 24), (10, 14), (40, 30)])
@pytest.mark.parametrize(("crop_center", "crop_largest_rect"), [(a, b) for a in (False, True) for b in (False, True)])
def test_examples_are_those_of_single_pictures(dtype, size, crop_center, crop_largest_rect):
    images = noise(len(ANGLES), 30, 24, 3, dtype=dtype)
    options = (size, crop_center, crop_largest_rect)
    examples = generate_rotated_images(images, ANGLES, *options)
    assert examples.dtype == dtype
    for image, angle, example in zip(images, ANGLES, examples, strict=True):
        np.testing.assert_array_equal(example, generate_rotated_image(image, angle, *options))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"angles": [1.0]}, "as many"),
        ({"interpolation": ["cubic"]}, "as many"),
        ({"interpolation": "mean"}, "interpolation"),
        ({"angles": [1.0, float("nan")]}, "angle"),
        ({"size": (0, 4)}, "size"),
        ({"view_sizes": (0, 4)}, "view_size"),
        ({"images": np.zeros((2, 4, 4, 5), np.uint8)}, "channels"),
    ],
)
def test_bad_input(wrong, message):
    arguments = {"images": np.zeros((2, 8, 8), np.uint8), "angles": [1.0, 2.0], "size": (8, 8), "view_sizes": (8, 8)}
    with pytest.raises(ValueError, match=f"{message}.*Received"):
        warp_views(**{**arguments, **wrong})
