"""Places in a picture go where its pixels go."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rotnet.geometry.regions import (
    Move,
    move_circle,
    move_point,
    move_polygon,
    move_rectangle,
    move_subject,
    tilted_crop,
)
from rotnet.geometry.warping import rotate
from rotnet.images.orientation import apply_orientation

sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))
shares = st.floats(0.0, 1.0)
angles = st.floats(-360.0, 360.0)
orientations = st.integers(1, 8)


@st.composite
def rectangles(draw):
    left, right = sorted((draw(shares), draw(shares)))
    top, bottom = sorted((draw(shares), draw(shares)))
    assume(right - left > 1e-6 and bottom - top > 1e-6)
    return left, top, right, bottom


def turned(size, orientation, angle, after=None):
    oriented = Move.oriented(size, orientation)
    sides = oriented.after if round(angle / 90) % 2 == 0 else oriented.after[::-1]
    return oriented.turned_back(angle, after or sides)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, 270.0])
def test_a_pixel_goes_where_numpy_takes_it(orientation, angle):
    stored = np.zeros((30, 40))
    stored[4, 7] = 1.0
    shown = rotate(apply_orientation(stored, orientation), -angle, crop="expand")
    (row,), (column,) = np.nonzero(shown)
    move = turned((40, 30), orientation, angle)
    assert move.after == shown.shape[::-1]
    assert move((7.5, 4.5)) == (column + 0.5, row + 0.5)


@pytest.mark.parametrize("crop", ["inscribed", "expand", "same"])
@pytest.mark.parametrize("angle", [12.0, -33.0, 100.0, 215.0])
def test_a_spot_goes_where_the_warp_takes_it(angle, crop):
    stored = np.zeros((301, 402), np.float32)
    stored[160:164, 180:184] = 1.0
    upright = rotate(stored, -angle, crop=crop)
    rows, columns = np.indices(upright.shape) + 0.5
    move = turned((402, 301), 1, angle, upright.shape[::-1])
    found = (columns * upright).sum() / upright.sum(), (rows * upright).sum() / upright.sum()
    np.testing.assert_allclose(move((182.0, 162.0)), found, atol=0.05)


@given(sizes, orientations, angles, sizes, rectangles())
def test_a_rectangle_surrounds_its_corners_as_far_as_the_picture_goes(size, orientation, angle, after, rectangle):
    move = Move.oriented(size, orientation).turned_back(angle, after)
    left, top, right, bottom = rectangle
    corners = np.array([move((x * size[0], y * size[1])) for x in (left, right) for y in (top, bottom)]) / after
    box = move_rectangle(move, rectangle)
    low, high = np.clip(corners.min(0), 0, 1), np.clip(corners.max(0), 0, 1)
    if box is None:
        assert (low == high).any()
    elif not move.is_whole:
        np.testing.assert_allclose(box, (*low, *high), atol=1e-9)


@given(sizes, orientations, rectangles(), st.sampled_from([90.0, 270.0, -90.0]))
def test_four_quarter_turns_leave_all_as_it_was(size, orientation, rectangle, quarter):
    box, vertices = rectangle, [(0.1, 0.2), (0.9, 0.3), (0.4, 1.2)]
    circle, now = ((0.3, 0.4), 0.2), size
    for _ in range(4):
        move = Move.oriented(now, 1).turned_back(quarter, now[::-1])
        box, vertices, circle = move_rectangle(move, box), move_polygon(move, vertices), move_circle(move, *circle)
        now = move.after
    np.testing.assert_allclose(box, rectangle, atol=1e-9)
    np.testing.assert_allclose(vertices, [(0.1, 0.2), (0.9, 0.3), (0.4, 1.2)], atol=1e-9)
    np.testing.assert_allclose([*circle[0], circle[1]], [0.3, 0.4, 0.2], atol=1e-9)


@given(sizes, orientations, angles, sizes, st.lists(st.tuples(shares, shares), min_size=1, max_size=8))
def test_a_polygon_stays_inside(size, orientation, angle, after, vertices):
    move = Move.oriented(size, orientation).turned_back(angle, after)
    moved = move_polygon(move, vertices)
    if not move.is_whole:
        assert all(-1e-9 <= share <= 1 + 1e-9 for vertex in moved for share in vertex)
    for vertex in vertices:
        inside = move_point(move, vertex)
        if inside is not None and len(vertices) == 1:
            assert moved == [inside]


def test_what_is_cut_off_is_gone():
    move = turned((400, 300), 1, 20.0, (356, 189))
    assert move_rectangle(move, (0.0, 0.0, 0.05, 0.05)) is None
    assert move_point(move, (0.01, 0.01)) is None
    assert move_circle(move, (0.0, 0.0), 0.02) is None
    assert move_circle(move, (0.0, 0.0), 0.9) is not None, "a circle that reaches into the picture stays"
    assert move_polygon(move, [(0.0, 0.0), (0.05, 0.0), (0.0, 0.05)]) == []
    assert move_subject(move, (3, 3)) is None
    assert move_subject(move, (3, 3, 4)) is None
    assert move_subject(move, (3, 3, 4, 4)) is None


@given(sizes, sizes, st.floats(-45.0, 45.0))
def test_a_tilted_crop_turned_back_is_straight(size, crop, angle):
    first, last = tilted_crop(size, crop, angle)
    upright = Move(size, crop, (1, 0, 0, 1)).turned_back(-angle, crop)
    corners = [upright((x * size[0], y * size[1])) for x, y in (first, last)]
    np.testing.assert_allclose(corners, [(0, 0), crop], atol=1e-6 * max(*crop, 1))


def test_a_tilted_crop_is_the_one_of_lightroom():
    """Numbers of Lightroom: a crop from 0.4 to 0.9 and 0.3 to 0.8 of a picture of 3:2, at an angle of -10 degrees."""
    (left, top), (right, bottom) = tilted_crop((1.5056, 1.0), (0.5 * 1.5056, 0.5), -10.0)
    np.testing.assert_allclose([right - 0.5, bottom - 0.5], [0.275035, 0.18084], atol=2e-5)
    np.testing.assert_allclose([0.5 - left, 0.5 - top], [0.275035, 0.18084], atol=2e-5)
