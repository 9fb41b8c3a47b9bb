"""The level of rendered scenes whose truth is known, and what must hold for any picture."""

from __future__ import annotations

import math
import time

import cv2
import numpy as np
import pytest
from boxworld import foliage, render
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rotnet.geometry.lines import level_from_lines
from rotnet.geometry.segments import gradients, segments_along

BELIEVED = 0.7


def error_of(estimate, up, truth):
    return abs((up + estimate.roll - truth + 180) % 360 - 180)


@pytest.mark.parametrize("pitch", [-12, 0, 10, 20, 30])
@pytest.mark.parametrize("focal", [24, 35, 85])
@pytest.mark.parametrize("roll", [-20, 0, 7])
def test_scenes_with_many_lines(pitch, focal, roll):
    for seed in range(3):
        estimate = level_from_lines(render(pitch=pitch, roll=roll, focal=focal, seed=seed), up=roll + 2.0)
        if estimate is not None and estimate.probability_one >= BELIEVED:
            assert error_of(estimate, roll + 2.0, roll) < 0.8


def test_most_scenes_are_exact_and_believed():
    rng = np.random.default_rng(1)
    errors, believed = [], 0
    for seed in range(60):
        pitch, roll, focal = rng.uniform(-30, 30), rng.uniform(-20, 20), rng.uniform(24, 85)
        up = roll + rng.uniform(-4, 4)
        estimate = level_from_lines(render(pitch=pitch, roll=roll, focal=focal, seed=seed), up=up)
        if estimate is not None and estimate.probability_one >= BELIEVED:
            believed += 1
            errors.append(error_of(estimate, up, roll))
    assert believed >= 36
    assert np.median(errors) < 0.1
    assert np.mean(np.array(errors) < 1.0) >= 0.97


def test_the_fan_of_a_tilted_camera_is_told_from_roll():
    estimate = level_from_lines(render(pitch=20, roll=3, focal=26, seed=2), up=3)
    expected = math.tan(math.radians(20)) / (26 / 43.27 * 2)
    assert estimate.pitch_term == pytest.approx(expected, abs=0.03)
    assert abs(estimate.roll) < 0.2


@pytest.mark.parametrize("cut", [(0, 480, 200, 640), (60, 420, 0, 400), (0, 300, 0, 640)])
def test_crops(cut):
    picture = render(roll=5, seed=4)[cut[0] : cut[1], cut[2] : cut[3]].copy()
    estimate = level_from_lines(picture, up=4)
    assert error_of(estimate, 4, 5) < 0.5


@pytest.mark.parametrize("noise", [0, 5, 12])
def test_noise_and_jpeg(noise):
    picture = render(roll=-4, seed=5, noise=noise)
    picture = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], cv2.IMREAD_COLOR)
    assert error_of(level_from_lines(picture, up=-3), -3, -4) < 0.4


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarter_turns_change_nothing(quarter):
    picture = render(roll=2, seed=6)
    plain = level_from_lines(picture)
    turned = level_from_lines(np.rot90(picture, quarter).copy(), up=90.0 * quarter)
    assert turned.roll == pytest.approx(plain.roll, abs=0.1)


def test_a_mirror_negates_the_roll():
    for seed in range(4):
        picture = render(roll=3, seed=seed)
        one, other = level_from_lines(picture), level_from_lines(picture[:, ::-1].copy())
        assert other.roll == pytest.approx(-one.roll, abs=0.1)


def test_grey_and_large_give_the_same():
    picture = render(roll=2, seed=1, noise=0)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    large = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    rolls = [level_from_lines(p).roll for p in (picture, grey, large)]
    assert np.ptp(rolls) < 0.1


def test_one_edge_across_the_picture_is_no_proof():
    """It may be the sea, and it may be a kerb that recedes."""
    sea = np.full((400, 600), 200, np.uint8)
    y, x = np.mgrid[:400, :600]
    sea[y > 250 - (x - 300) * math.tan(math.radians(3))] = 90
    estimate = level_from_lines(cv2.GaussianBlur(sea, (0, 0), 1.0), up=1.0)
    assert estimate is None or (0 < estimate.roll < 2.2 and estimate.probability_one < BELIEVED)


@pytest.mark.parametrize("quality", [50, 75, 92])
def test_blocks_of_a_jpeg_that_turned_with_the_picture_are_not_read(quality):
    rng = np.random.default_rng(quality)
    clouds = cv2.GaussianBlur(rng.normal(size=(400, 400)), (0, 0), 25.0)
    sky = np.uint8(np.clip(140 + 40 * clouds / clouds.std() + rng.normal(0, 1.5, clouds.shape), 0, 255))
    sky = cv2.imdecode(cv2.imencode(".jpg", sky, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
    matrix = cv2.getRotationMatrix2D((199.5, 199.5), 20.0, 1.0)
    turned = cv2.warpAffine(sky, matrix, (400, 400), flags=cv2.INTER_CUBIC)[65:335, 65:335].copy()
    estimate = level_from_lines(turned, up=21.5)
    assert estimate is None or estimate.probability_one < BELIEVED


def test_segments_lie_on_the_edges_of_the_picture_given():
    picture = np.zeros((900, 1200), np.uint8)
    picture[:, 400:800] = 220
    estimate = level_from_lines(picture)
    xs = estimate.segments[:, [0, 2]].ravel()
    assert estimate.segments.shape[1] == 4
    assert np.minimum(np.abs(xs - 399.5), np.abs(xs - 799.5)).max() < 1.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 2), (3, 7), (300, 400), (300, 400, 3)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_and_tiny_pictures_have_no_level(shape, value):
    assert level_from_lines(np.full(shape, value, np.uint8), up=123.4) is None


def test_noise_and_leaves_are_not_believed():
    rng = np.random.default_rng(0)
    for seed in range(10):
        for picture in (foliage(seed=seed), rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)):
            estimate = level_from_lines(picture, up=float(rng.uniform(0, 360)))
            assert estimate is None or estimate.probability_one < BELIEVED


def test_leaning_stripes_beyond_reach_are_not_taken():
    y, x = np.mgrid[:300, :400]
    lean = np.uint8(127 + 100 * np.sin((x - y * math.tan(math.radians(25))) / 5))
    estimate = level_from_lines(lean)
    assert estimate is None or estimate.probability_one < BELIEVED


def test_time_is_bounded():
    rng = np.random.default_rng(0)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        stripes = np.tile(np.repeat(np.uint8([0, 255]), 3), (4000, 500))
        checks = np.kron(rng.integers(0, 2, (500, 500), dtype=np.uint8) * 255, np.ones((6, 6), np.uint8))
        for picture in (stripes, checks, rng.integers(0, 256, (3000, 3000), dtype=np.uint8)):
            start = time.process_time()
            level_from_lines(picture)
            assert time.process_time() - start < 0.3  # About 0.03 on a quiet machine.
    finally:
        cv2.setNumThreads(threads)


def test_the_same_picture_gives_the_same_answer():
    picture = render(seed=8)
    first, second = level_from_lines(picture), level_from_lines(picture)
    assert first.roll == second.roll and first.probability_one == second.probability_one
    assert np.array_equal(first.segments, second.segments)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), fill=st.integers(0, 255)),
    st.floats(-1e4, 1e4),
    st.floats(0.1, 20),
)
def test_any_picture_gets_a_sane_answer_or_none(picture, up, within):
    estimate = level_from_lines(picture, up=up, within=within)
    if estimate is not None:
        assert abs(estimate.roll) <= 1.25 * within + 1e-9
        assert estimate.standard_error > 0 and estimate.support > 0
        assert 0 <= estimate.probability_half <= estimate.probability_one <= 1
        assert np.isfinite(estimate.segments).all()


@settings(max_examples=25, deadline=None)
@given(st.floats(-10, 10), st.floats(-3, 3), st.integers(0, 5))
def test_any_roll_is_found_from_near_it(roll, off, seed):
    estimate = level_from_lines(render(roll=roll, seed=seed), up=roll + off)
    assert error_of(estimate, roll + off, roll) < 0.5


@settings(max_examples=50, deadline=None)
@given(st.floats(-89, 89))
def test_segments_along_finds_an_edge_of_any_direction(direction):
    y, x = np.mgrid[:120, :120] - 59.5
    turn = math.radians(direction)
    across = x * math.cos(turn) - y * math.sin(turn)
    picture = np.uint8(np.clip(127 + across * 60, 20, 230))
    found = segments_along(*gradients(picture), direction)
    assert len(found) == 1
    run = found[0, 2:] - found[0, :2]
    # Counter-clockwise from the vertical, y downwards: (-sin, -cos).
    angle = math.degrees(math.atan2(run[0], run[1]))
    assert abs((angle - direction + 90) % 180 - 90) < 0.3


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (np.zeros((4, 4)), {}),
        (np.zeros((4, 4, 4), np.uint8), {}),
        (np.zeros((0, 4), np.uint8), {}),
        (np.zeros(4, np.uint8), {}),
        (np.zeros((4, 4), np.uint8), {"up": math.nan}),
        (np.zeros((4, 4), np.uint8), {"within": 0.0}),
        (np.zeros((4, 4), np.uint8), {"within": 45.0}),
    ],
)
def test_wrong_arguments(image, options):
    with pytest.raises(ValueError, match="Received"):
        level_from_lines(image, **options)
