"""Turning and cropping: exact where it can be exact, and never a pixel from outside the picture where none belongs."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rotnet.datasets.augmentation import Augmentation, random_view
from rotnet.geometry import cropping, warping

DTYPES = [np.uint8, np.uint16, np.int16, np.float32, np.float64, bool]
TAILS = [(), (1,), (2,), (3,), (4,)]
SIDES = st.floats(0.1, 1e4)
RADIANS = st.floats(-20, 20)
DEGREES = st.floats(-720, 720)


def noise(height, width, *tail, dtype=np.uint8):
    values = np.random.default_rng(0).integers(0, 256, (height, width, *tail))
    return values > 127 if dtype is bool else values.astype(dtype)


def white(height, width, *tail):
    return np.full((height, width, *tail), 255, np.uint8)


def smooth(height, width, *tail, dtype=np.uint8):
    """Slow waves that no two directions share, for what is sampled: OpenCV 4 rounds positions to a 32nd of a pixel."""
    y, x = np.mgrid[0:height, 0:width] / 80
    waves = 128 + 60 * np.sin(5 * x + 2 * y) + 50 * np.cos(3 * y - 4 * x * y)
    return np.broadcast_to(waves.reshape(height, width, *(1 for _ in tail)), (height, width, *tail)).astype(dtype)


def disc(height, width, radius):
    y, x = np.mgrid[0:height, 0:width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    return ((x**2 + y**2 <= radius**2) * 255).astype(np.uint8)


def arrow(side=41):
    """A light patch right of the centre, on the axis."""
    image = np.zeros((side, side), np.uint8)
    image[side // 2 - 2 : side // 2 + 3, -9:-4] = 255
    return image


def centroid(image):
    """`(right, up)` of the light from the centre, pixels."""
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    down, right = ((image * axis).sum() / image.sum() for axis in (y, x))
    return right - (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2 - down


# Rotating -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tail", TAILS)
def test_quarter_turns_are_exact(dtype, tail):
    image = noise(5, 8, *tail, dtype=dtype)
    for quarters in range(-5, 6):
        for crop in ("keep", "fit", "aspect") if quarters % 2 else cropping.CROPS:
            turned = warping.rotate(image, 90 * quarters, crop=crop)
            np.testing.assert_array_equal(turned, np.rot90(image, quarters))
            assert turned.dtype == image.dtype and turned.flags.c_contiguous and not np.shares_memory(turned, image)


def test_quarter_turn_of_a_square_keeps_its_canvas_exactly():
    image = noise(7, 7, 3)
    np.testing.assert_array_equal(warping.rotate(image, 270, crop="same"), np.rot90(image, 3))


def test_quarter_turn_on_a_canvas_that_does_not_fit():
    turned = warping.rotate(noise(6, 10), 90, crop="same", fill=9)
    np.testing.assert_array_equal(turned[:, 2:8], np.rot90(noise(6, 10))[2:8])
    assert turned.shape == (6, 10) and (turned[:, [0, 1, 8, 9]] == 9).all()


@pytest.mark.parametrize("crop", cropping.CROPS)
@pytest.mark.parametrize("angle", [10, 45, 80, 100, 170, 200, 300, 359])
def test_direction_is_counter_clockwise_as_seen(angle, crop):
    image = np.pad(arrow(), 15)  # for the inscribed crop to leave it whole
    right, up = centroid(warping.rotate(image, angle, crop=crop))
    assert math.degrees(math.atan2(up, right)) % 360 == pytest.approx(angle, abs=0.5)
    assert math.hypot(right, up) == pytest.approx(centroid(image)[0], abs=0.1)


@settings(max_examples=40)
@given(DEGREES, st.sampled_from(["bilinear", "cubic", "lanczos"]))
def test_there_and_back_is_where_it_was(angle, interpolation):
    image = smooth(80, 80, dtype=np.float32)
    there = warping.rotate(image, angle, crop="expand", interpolation=interpolation)
    back = warping.rotate(there, -angle, crop="expand", interpolation=interpolation)
    middle = cropping.crop_around_center(back, 40, 40)
    # on a canvas of odd sides the centre lies on a pixel, in the picture between two
    np.testing.assert_allclose(middle, image[20:60, 20:60], atol=6 if back.shape[0] % 2 else 0.6)


@settings(max_examples=200)
@given(
    st.integers(1, 120),
    st.integers(1, 120),
    DEGREES,
    st.sampled_from(TAILS),
    st.sampled_from(sorted(warping.INTERPOLATIONS)),
)
def test_inscribed_shows_nothing_but_the_picture(height, width, angle, tail, interpolation):
    turned = warping.rotate(white(height, width, *tail), angle, crop="inscribed", interpolation=interpolation)
    assert turned.min() == 255 and turned.shape[2:] == tail
    w, h = cropping.largest_rotated_rect(width, height, math.radians(angle))
    assert w - 1 <= turned.shape[1] <= max(1, w + 1e-5) and h - 1 <= turned.shape[0] <= max(1, h + 1e-5)


@settings(max_examples=100)
@given(st.integers(1, 60), st.integers(1, 60), DEGREES)
def test_expand_contains_the_whole_picture(height, width, angle):
    turned = warping.rotate(white(height, width), angle, crop="expand", interpolation="bilinear")
    w, h = cropping.rotated_bounds(width, height, math.radians(angle))
    assert w - 1e-5 <= turned.shape[1] <= w + 1 and h - 1e-5 <= turned.shape[0] <= h + 1
    if min(height, width) > 8:  # below, what bilinear sampling takes from the rim is no longer small
        assert turned.sum() / 255 == pytest.approx(height * width, rel=0.02)


def test_the_canvas_does_not_grow_unless_asked():
    image = noise(20, 31)
    np.testing.assert_array_equal(warping.rotate(image, 33), warping.rotate(image, 33, crop="same"))
    np.testing.assert_array_equal(warping.rotate(image, 33, True), warping.rotate(image, 33, crop="expand"))
    np.testing.assert_array_equal(warping.rotate(image, 33, False, preserve_range=True), warping.rotate(image, 33))


@pytest.mark.parametrize("angle", [3, 45, 90, 123.4, 180, 271])
@pytest.mark.parametrize("shape", [(20, 31), (31, 20, 3), (1, 40), (7, 7, 1)])
def test_same_keeps_the_canvas(angle, shape):
    assert warping.rotate(white(*shape), angle, crop="same").shape == shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tail", TAILS)
def test_every_type_is_kept(dtype, tail):
    image = noise(30, 40, *tail, dtype=dtype)
    for crop in cropping.CROPS:
        turned = warping.rotate(image, 33.3, crop=crop)
        assert turned.dtype == image.dtype and turned.shape[2:] == tail
        assert turned.min() >= image.min() and turned.max() <= image.max()


@pytest.mark.parametrize(
    ("dtype", "level"), [(np.uint16, 65535), (np.int16, -3000), (np.float32, 0.25), (np.float64, -7.5)]
)
def test_levels_of_deep_pictures_survive(dtype, level):
    image = np.full((20, 30), level, dtype)
    for crop in cropping.CROPS:
        assert (warping.rotate(image, 20, crop=crop, fill=level) == image.dtype.type(level)).all()


def test_bool_picture_matches_that_of_levels():
    image = disc(31, 31, 9) > 0
    image[:, :12] = False
    for fill in (False, True):
        turned = warping.rotate(image, 25, fill=fill)
        np.testing.assert_array_equal(turned, warping.rotate(image * np.uint8(255), 25, fill=255 * fill) > 127)
        assert turned[0, 0] == fill


@pytest.mark.parametrize(
    ("tail", "fill"), [((), 7), ((), (7,)), ((1,), (7,)), ((3,), 7), ((3,), (7, 8, 9)), ((4,), (7, 8, 9, 0))]
)
def test_fill_colours_the_corners(tail, fill):
    corner = warping.rotate(white(40, 40, *tail), 45, fill=fill)[0, 0]
    assert corner.tolist() == (list(fill) if tail and isinstance(fill, tuple) else np.full(tail, 7).tolist())


def test_side_beyond_the_reach_of_opencv():
    image = np.zeros((2, 60_000), np.uint8)
    assert warping.rotate(image, 90, resize=True).shape == (60_000, 2)
    for angle, crop in [(10, "expand"), (10, "inscribed"), (90, "same")]:
        with pytest.raises(ValueError, match="sides of at most 32766 pixels .* 60000x2 .* Scale it down"):
            warping.rotate(image, angle, crop=crop)


IMAGE = white(4, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: warping.rotate(IMAGE, math.nan), "angle=nan"),
        (lambda: warping.rotate(IMAGE, math.inf), "angle=inf"),
        (lambda: warping.rotate(IMAGE, 1, crop="outside"), "crop='outside'"),
        (lambda: warping.rotate(IMAGE, 1, resize=True, crop="same"), "crop='same'"),
        (lambda: warping.rotate(IMAGE, 1, preserve_range=False), "preserve_range=False"),
        (lambda: warping.rotate(IMAGE, 1, interpolation="area"), "'area'"),
        (lambda: warping.rotate(IMAGE, 1, fill=(1, 2, 3)), r"one a channel, 1 here.*\(1, 2, 3\)"),
        (lambda: warping.rotate([[1, 2]], 1), "list"),
        (lambda: warping.rotate(np.zeros(4, np.uint8), 1), r"\(4,\)"),
        (lambda: warping.rotate(white(2, 4, 4, 3), 1), r"\(2, 4, 4, 3\)"),
        (lambda: warping.rotate(white(4, 4, 5), 1), r"1 to 4 channels.*\(4, 4, 5\)"),
        (lambda: warping.rotate(white(0, 4), 1), r"\(0, 4\)"),
        (lambda: warping.rotate(IMAGE.astype(np.int64), 1), "int64"),
        (lambda: warping.rotate(IMAGE.astype(complex), 90), "complex128"),
        (lambda: warping.generate_rotated_image(IMAGE, math.nan), "angle=nan"),
        (lambda: warping.generate_rotated_image(IMAGE, math.nan, crop_largest_rect=True), "angle_rad=nan"),
        (lambda: warping.generate_rotated_image(IMAGE, 1, (0, 4)), "size="),
        (lambda: warping.generate_rotated_image(white(4, 4, 5), 1), "channels"),
        (lambda: warping.generate_rotated_image(IMAGE, 1, interpolation="area"), "'area'"),
        (lambda: warping.warp_view(IMAGE, 1, (4, 4), view_size=(4, 0)), "view_size="),
        (lambda: cropping.crop_around_center(IMAGE, 0, 3), "width=0"),
        (lambda: cropping.crop_largest_rectangle(IMAGE, math.nan, 4, 5), "angle_rad=nan"),
        (lambda: warping.square_view(white(4, 4, 5), (2, 2)), "channels"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "Received: " in str(caught.value)


# Training examples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, (32, 32), (48, 48), (100, 100)])
@pytest.mark.parametrize(
    ("shape", "crop_center", "crop_largest_rect"),
    [
        ((64, 64), False, False),
        ((65, 65, 3), False, True),
        ((60, 81, 1), True, False),
        ((60, 81, 3), True, True),
    ],
)
def test_quarter_turns_of_an_example(shape, size, crop_center, crop_largest_rect):
    make = warping.generate_rotated_image
    upright = make(smooth(*shape), 0, size, crop_center, crop_largest_rect).astype(int)
    for quarters in (1, 2, 3, 4, -1):
        turned = make(smooth(*shape), 90 * quarters, size, crop_center, crop_largest_rect).astype(int)
        np.testing.assert_allclose(turned, np.rot90(upright, quarters), atol=1)


def test_a_long_picture_stands_after_a_quarter_turn():
    upright = warping.generate_rotated_image(noise(60, 81), 0, crop_largest_rect=True)
    np.testing.assert_array_equal(upright, noise(60, 81))
    turned = warping.generate_rotated_image(noise(60, 81), 90, crop_largest_rect=True)
    np.testing.assert_array_equal(turned, np.rot90(upright))


@settings(max_examples=200)
@given(
    st.tuples(st.integers(2, 90), st.integers(2, 90)),
    st.one_of(st.none(), st.tuples(st.integers(1, 120), st.integers(1, 120))),
    DEGREES,
    st.booleans(),
    st.sampled_from(sorted(warping.INTERPOLATIONS)),
)
def test_no_corner_from_outside(shape, size, angle, crop_center, interpolation):
    turned = warping.generate_rotated_image(white(*shape), angle, size, crop_center, True, interpolation=interpolation)
    assert turned.min() == 255
    assert size is None or turned.shape == size


def digit():
    """A five of three strokes and a bow, soft at the rim as in MNIST, on a canvas of 28 by 28."""
    big = np.zeros((280, 280), np.float32)
    big[50:70, 100:190] = big[60:130, 100:120] = big[120:140, 100:170] = 255
    y, x = np.mgrid[0:280, 0:280]
    radius = np.hypot(y - 175, x - 140)
    big[(radius > 40) & (radius < 58) & ((x > 140) | (y > 190))] = 255
    return big.reshape(28, 10, 28, 10).mean(axis=(1, 3)).astype(np.uint8)


def test_canvas_and_scale_of_a_digit_tell_nothing_of_its_angle():
    ink = digit().sum(dtype=int)
    for angle in range(0, 360, 5):
        turned = warping.generate_rotated_image(digit(), angle)
        assert turned.shape == (28, 28)
        assert turned.sum(dtype=int) == pytest.approx(ink, rel=0.02), angle


@pytest.mark.parametrize("angle", [0, 7, 30, 45, 90, 133])
@pytest.mark.parametrize("interpolation", ["bilinear", "cubic"])
def test_fine_checks_shrink_to_grey(angle, interpolation):
    checks = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    view = warping.generate_rotated_image(checks, angle, (56, 56), crop_largest_rect=True, interpolation=interpolation)
    assert view.std() < 12 and view.mean() == pytest.approx(127.5, abs=2)


@pytest.mark.parametrize("size", [(40, 40), (30, 60), (60, 30), (33, 47)])
@pytest.mark.parametrize("angle", [0, 20, 90, 200])
@pytest.mark.parametrize("crop_largest_rect", [False, True])
def test_a_circle_stays_a_circle(size, angle, crop_largest_rect):
    view = warping.generate_rotated_image(disc(200, 260, 25), angle, size, False, crop_largest_rect) > 127
    tall, wide = view.any(axis=1).sum(), view.any(axis=0).sum()
    assert abs(tall - wide) <= 1 and tall > 5


def test_window_is_shifted_flipped_and_turned():
    image = np.pad(arrow(), 10)
    right, _ = centroid(image)
    view = warping.warp_view(image, 0, (61, 61), view_size=(61, 61), offset=(3, 5))
    assert centroid(view) == pytest.approx((right - 5, 3))
    np.testing.assert_array_equal(warping.warp_view(image, 0, (61, 61), view_size=(61, 61), flip=True), image[:, ::-1])
    for angle in (20, 90, 250):
        flipped = warping.warp_view(smooth(40, 50, 3), angle, (40, 40), view_size=(40, 40), flip=True)
        before = warping.warp_view(smooth(40, 50, 3)[:, ::-1].copy(), angle, (40, 40), view_size=(40, 40))
        np.testing.assert_allclose(flipped.astype(int), before, atol=1)


# Views ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [(), (1,), (3,)])
@pytest.mark.parametrize("size", [(8, 8), (24, 24), (90, 90), (16, 20)])
def test_square_view(tail, size):
    image = np.zeros((32, 60, *tail), np.uint8)
    half = 16 * size[1] // size[0]
    image[:, 30 - half : 30 + half] = 255  # the window of these proportions is white, the rest is not
    view = warping.square_view(image, size)
    assert view.shape == (*size, *tail) and view.dtype == np.uint8 and (view == 255).all()


def test_square_view_is_anti_aliased_and_commutes_with_quarter_turns():
    checks = (np.indices((200, 260)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert abs(warping.square_view(checks, (40, 40)).astype(int) - 127.5).max() < 6
    image = noise(60, 80, 3)
    for size in ((60, 60), (24, 24), (100, 100)):
        view = warping.square_view(image, size).astype(int)
        np.testing.assert_allclose(warping.square_view(np.rot90(image).copy(), size), np.rot90(view), atol=1)


def test_an_oblong_view_shows_the_angle_that_oblong_examples_have():
    stripe = np.zeros((200, 300), np.uint8)
    rows, columns = np.indices(stripe.shape)
    stripe[abs((rows - 100) * math.cos(math.radians(30)) - (columns - 150) * math.sin(math.radians(30))) < 4] = 255

    def slope(view):
        rows, columns = np.nonzero(view > 127)
        return math.degrees(math.atan(np.polyfit(columns, rows, 1)[0]))

    size = (60, 120)
    plain = Augmentation(full_view=1, flip=0, colour=0, soften=0, blur=0, noise=0, jpeg=0, saved_scale=1)
    shown = random_view(stripe[..., None], 0.0, size, np.random.default_rng(0), plain)[..., 0]
    example = warping.generate_rotated_image(stripe, 0.0, size)
    for view in (warping.square_view(stripe, size), shown, example):
        assert slope(view) == pytest.approx(30, abs=1)


# Crops and fills ------------------------------------------------------------------------------------------------------

FILLINGS = st.sampled_from([0, 7, "mirror", "blur"])


@settings(max_examples=300)
@given(
    *(st.integers(1, 30), st.integers(1, 30), DEGREES, st.sampled_from(cropping.CROPS), FILLINGS),
    *(st.sampled_from(TAILS), st.sampled_from(DTYPES)),
)
def test_the_smallest_pictures_are_cropped_and_filled(height, width, angle, crop, fill, tail, dtype):
    image = noise(height, width, *tail, dtype=dtype)
    turned = warping.rotate(image, angle, crop=crop, fill=fill)
    assert turned.dtype == image.dtype and turned.shape[2:] == image.shape[2:]
    sides = cropping.crop_size(width, height, math.radians(angle), crop)
    for found, side in zip(turned.shape[1::-1], sides, strict=True):
        assert abs(found - side) < 1 + 1e-5 or found == 1
    lost = cropping.share_lost(width, height, math.radians(angle), crop)
    if crop in ("fit", "aspect"):  # the rest of a pixel along each side
        assert abs(1 - turned.shape[0] * turned.shape[1] / image.shape[0] / image.shape[1] - lost) <= (
            1e-4 + (sum(sides) + 1) / (width * height)
        )
    if dtype is not bool:
        values = [float(value) for value in (image.min(), image.max(), *(() if isinstance(fill, str) else (fill,)))]
        assert min(values) - 1 <= float(turned.min()) and float(turned.max()) <= max(values) + 1
    older = next((name for name, today in cropping.OLDER.items() if today == crop), crop)
    np.testing.assert_array_equal(turned, warping.rotate(image, angle, crop=older, fill=fill))


@given(st.integers(1, 300), st.integers(1, 300), DEGREES)
def test_aspect_is_that_of_the_picture_to_a_pixel(height, width, angle):
    assume(abs(abs(math.sin(math.radians(angle))) - abs(math.cos(math.radians(angle)))) > 1e-6)
    rows, columns = warping.rotate(white(height, width), angle, crop="aspect").shape
    upright = (height, width) if abs(math.cos(math.radians(angle))) > math.sqrt(0.5) else (width, height)
    assert abs(rows - columns * upright[0] / upright[1]) <= 1 + upright[0] / upright[1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fill", ["mirror", "blur"])
def test_fills_leave_the_picture_as_it_is(dtype, fill):
    """What lies a pixel inside of the edge is the same whatever surrounds it, and no seam is seen at the edge."""
    image = smooth(60, 90, 3, dtype=np.uint8)
    image = image > 127 if dtype is bool else image.astype(dtype)
    plain, filled = (warping.rotate(image, 25, crop="keep", fill=one) for one in (0, fill))
    inside = warping.rotate(np.pad(white(56, 86), 2), 25, crop="keep") == 255
    np.testing.assert_array_equal(filled[inside], plain[inside])
    assert not (filled == plain).all()
    if dtype is not bool:
        near = warping.rotate(np.pad(white(60, 90), 4, mode="edge"), 25, crop="keep")
        edge = (near[: filled.shape[0], : filled.shape[1]] == 255)[2:-2, 2:-2]
        steps = np.abs(np.diff(filled.astype(float), axis=0))[2:-1, 2:-2][edge[: len(filled) - 3]]
        assert steps.max() < 30


def test_mirror_is_the_reflected_picture():
    image = smooth(40, 60)
    around = np.pad(image, 60, mode="reflect")
    expected = cropping.crop_around_center(warping.rotate(around, 30, crop="same"), *reversed((65, 72)))
    found = cropping.crop_around_center(warping.rotate(image, 30, crop="keep", fill="mirror"), 72, 65)
    assert np.abs(found.astype(int) - expected).max() <= 3


def test_blur_is_smooth_far_from_the_picture_and_of_its_colours():
    image = np.zeros((200, 300, 3), np.uint8)
    image[::8], image[:, :150, 0] = 255, 200
    corners = [warping.rotate(image, 45, crop="keep", fill=fill)[:50, :50].astype(int) for fill in ("mirror", "blur")]
    sharp, soft = (np.abs(np.diff(corner, axis=0)).max() for corner in corners)
    assert soft < 8 < sharp
    assert np.abs(corners[1].mean((0, 1)) - corners[0].mean((0, 1))).max() < 40


@pytest.mark.parametrize("fill", ["red", "", "mirrored", [1, 2], math.nan, {}])
def test_fill_that_is_none_is_told(fill):
    with pytest.raises(ValueError, match=r"or one of \('mirror', 'blur'\)"):
        warping.rotate(IMAGE, 20, crop="keep", fill=fill)
