"""Rectangles in and around a rotated one: the largest that fits, and cropping to it."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rotnet.geometry import cropping, warping

SIDES = st.floats(0.1, 1e4)
RADIANS = st.floats(-20, 20)
DEGREES = st.floats(-720, 720)


# Largest rectangle ----------------------------------------------------------------------------------------------------


def best_area(width, height, angle_rad):
    """Area of the best of many rectangles: the height that fits each of 20,001 half widths.

    A rectangle of half sides `(a, b)` around the centre lies in the turned one if its corners do. The largest may be
    taken around the centre: with any rectangle its point reflection fits, and so does the mean of both.
    """
    sin, cos = np.abs(np.sin(angle_rad)), np.abs(np.cos(angle_rad))
    with np.errstate(all="ignore"):
        a = np.linspace(0, min(width / 2 / cos, height / 2 / sin), 20_001)
        b = np.fmin((width / 2 - a * cos) / sin, (height / 2 - a * sin) / cos)
    return 4 * np.max(a * b)


@given(SIDES, SIDES, RADIANS)
def test_largest_rectangle_lies_inside_and_none_is_larger(width, height, angle_rad):
    w, h = cropping.largest_rotated_rect(width, height, angle_rad)
    sin, cos = abs(math.sin(angle_rad)), abs(math.cos(angle_rad))
    room = 1 + 1e-9
    assert w > 0 and h > 0
    assert w * cos + h * sin <= width * room and w * sin + h * cos <= height * room
    assert w * h >= best_area(width, height, angle_rad) * (1 - 1e-9)


@pytest.mark.parametrize("ratio", [1, 1.001, 4 / 3, 3 / 2, 16 / 9, 5, 100])
@pytest.mark.parametrize("degrees", [0, 1e-4, 1, 17.3, 29.9, 30, 44.999, 45, 45.001, 60, 89, 90, 133, 180, 271.5])
def test_largest_rectangle_at_known_hard_places(ratio, degrees):
    for width, height in ((ratio, 1.0), (1.0, ratio)):
        w, h = cropping.largest_rotated_rect(width, height, math.radians(degrees))
        best = best_area(width, height, math.radians(degrees))
        assert best * (1 - 1e-9) <= w * h <= best * 1.001


@given(SIDES, SIDES, st.integers(-8, 8))
def test_largest_rectangle_is_exact_at_quarter_turns(width, height, quarters):
    expected = (width, height) if quarters % 2 == 0 else (height, width)
    assert cropping.largest_rotated_rect(width, height, quarters * math.pi / 2) == expected
    assert cropping.largest_rotated_rect(width, height, math.radians(90.0 * quarters)) == expected


@given(SIDES, SIDES, RADIANS)
def test_largest_rectangle_is_periodic_and_symmetric(width, height, angle_rad):
    w, h = cropping.largest_rotated_rect(width, height, angle_rad)
    off_square = abs(math.remainder(angle_rad, math.pi / 2))
    assume(off_square < 1e-12 or off_square > 1e-9)
    for same in (angle_rad + math.pi, angle_rad - 2 * math.pi, -angle_rad):
        a, b = cropping.largest_rotated_rect(width, height, same)
        assert a * b == pytest.approx(w * h, rel=1e-6)
        if abs(off_square - math.pi / 4) > 1e-6:  # at 45 degrees all rectangles on one diagonal are equally large
            assert (a, b) == pytest.approx((w, h), rel=1e-6)
            assert cropping.largest_rotated_rect(height, width, same) == pytest.approx((h, w), rel=1e-6)


@pytest.mark.parametrize("bad", [(0, 1, 0), (1, -1, 0), (math.nan, 1, 0), (1, 1, math.nan), (1, 1, math.inf)])
def test_largest_rectangle_of_nothing(bad):
    with pytest.raises(ValueError, match="Received: width="):
        cropping.largest_rotated_rect(*bad)


@given(SIDES, SIDES, RADIANS)
def test_bounds_reach_exactly_the_outermost_corners(width, height, angle_rad):
    x, y = np.array([width, -width, width, -width]) / 2, np.array([height, height, -height, -height]) / 2
    w, h = cropping.rotated_bounds(width, height, angle_rad)
    assert w == pytest.approx(2 * (x * math.cos(angle_rad) - y * math.sin(angle_rad)).max(), rel=1e-9)
    assert h == pytest.approx(2 * (x * math.sin(angle_rad) + y * math.cos(angle_rad)).max(), rel=1e-9)


# Names, and what is lost ----------------------------------------------------------------------------------------------


@given(SIDES, SIDES, RADIANS)
def test_similar_rectangle_keeps_the_proportions_and_lies_inside(width, height, angle_rad):
    w, h = cropping.largest_similar_rect(width, height, angle_rad)
    sin, cos = abs(math.sin(angle_rad)), abs(math.cos(angle_rad))
    upright = (width, height) if cos >= sin else (height, width)
    if abs(cos - sin) > 1e-6:
        assert w * upright[1] == pytest.approx(h * upright[0], rel=1e-9)
    across, down = (w * cos + h * sin) / width, (w * sin + h * cos) / height
    assert max(across, down) == pytest.approx(1, rel=1e-9), "it touches a side, and reaches beyond none"
    best_w, best_h = cropping.largest_rotated_rect(width, height, angle_rad)
    assert w * h <= best_w * best_h * (1 + 1e-9)


def share_outside(width, height, angle, crop):
    """The share of a picture's area outside of a crop, by 90,000 of its points."""
    w, h = cropping.crop_size(width, height, math.radians(angle), crop)
    x, y = np.meshgrid(*((np.arange(300) + 0.5) / 300 * side - side / 2 for side in (width, height)))
    sin, cos = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    right, up = x * cos - y * sin, x * sin + y * cos
    return 1 - np.mean((abs(right) <= w / 2 * (1 + 1e-9)) & (abs(up) <= h / 2 * (1 + 1e-9)))


@given(SIDES, SIDES, DEGREES, st.sampled_from(cropping.CROPS))
def test_what_is_lost_is_what_is_not_kept(width, height, angle, crop):
    assume(0.02 < width / height < 50)
    lost = cropping.share_lost(width, height, math.radians(angle), crop)
    assert 0 <= lost <= 1
    assert lost == pytest.approx(share_outside(width, height, angle, crop), abs=0.02)
    turned_source = cropping.share_lost(height, width, math.radians(angle), crop)
    # at 45 degrees either way up is as good as the other
    assert lost == pytest.approx(turned_source, abs=1e-6), "however its pixels are stored"


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (3, 4), (50, 1)])
@pytest.mark.parametrize("angle", [0, 90, 180, 270, 360, -90])
def test_quarter_turns_lose_nothing_unless_their_canvas_is_too_small(size, angle):
    for crop in cropping.CROPS:
        lost = cropping.share_lost(*size, math.radians(angle), crop)
        is_cut = crop == "same" and angle % 180
        assert lost == pytest.approx(1 - min(size) / max(size) if is_cut else 0.0, abs=1e-9)


def test_names_of_crops():
    assert cropping.CROPS == ("fit", "keep", "same", "aspect")
    named = {name: cropping.named_crop(name) for name in (*cropping.CROPS, *cropping.OLDER)}
    assert named == {**{name: name for name in cropping.CROPS}, "inscribed": "fit", "expand": "keep"}
    for wrong in ("tight", "", None, ["fit"], 1):
        with pytest.raises(
            ValueError, match=r"crop must be one of \('fit', 'keep', 'same', 'aspect'\). Received: crop="
        ):
            cropping.named_crop(wrong)


@given(SIDES, SIDES, DEGREES, st.sampled_from(cropping.CROPS), st.floats(0, 1))
def test_a_limit_is_never_passed(width, height, angle, crop, limit):
    lost = cropping.share_lost(width, height, math.radians(angle), crop)
    kept = cropping.chosen_crop(width, height, angle, crop, limit)
    left = cropping.chosen_crop(width, height, angle, crop, limit, "leave")
    assert kept[1] == left[1] == lost and cropping.chosen_crop(width, height, angle, crop) == (crop, lost)
    if lost <= limit:
        assert kept[0] == left[0] == crop
    elif lost > limit + 1e-6:
        assert (kept[0], left[0]) == ("keep", None)


# Crops ----------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.integers(1, 40))
def test_crop_around_center(rows, columns, width, height):
    image = np.arange(rows * columns).reshape(rows, columns)
    crop = cropping.crop_around_center(image, width, height)
    assert crop.shape == (min(rows, height), min(columns, width)) and np.shares_memory(crop, image)
    top, left = divmod(int(crop[0, 0]), columns)
    bottom, right = rows - top - crop.shape[0], columns - left - crop.shape[1]
    assert 0 <= bottom - top <= 1 and 0 <= right - left <= 1


@settings(max_examples=200)
@given(st.integers(8, 150), st.integers(8, 150), DEGREES)
def test_crop_to_the_largest_rectangle(height, width, angle):
    w, h = cropping.largest_rotated_rect(width, height, math.radians(angle))
    assume(min(w, h) > 3)
    kept = cropping.crop_largest_rectangle(
        warping.rotate(np.full((height, width, 3), 255, np.uint8), angle), angle, height, width
    )
    assert kept.min() == 255
    turned = warping.rotate(np.full((height, width, 3), 255, np.uint8), angle, resize=True)
    crop = cropping.crop_largest_rectangle(turned, angle, height, width)
    assert crop.min() == 255 and np.shares_memory(crop, turned)
    assert w - 2.01 <= crop.shape[1] <= w + 1e-5 and h - 2.01 <= crop.shape[0] <= h + 1e-5


@pytest.mark.parametrize("angle", [0, 90, 180, -90, 720])
def test_crop_to_the_largest_rectangle_of_a_quarter_turn_is_all(angle):
    turned = warping.rotate(np.arange(126).reshape(9, 14).astype(np.uint8), angle, resize=True)
    np.testing.assert_array_equal(cropping.crop_largest_rectangle(turned, angle, 9, 14), turned)
