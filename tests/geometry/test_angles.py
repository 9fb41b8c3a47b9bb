"""Angles on the circle: differences, means, and the way to class probabilities and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotnet.geometry import angles

ANGLES = st.floats(-1e4, 1e4)
TURNS = st.integers(-20, 20)


def apart(x, y):
    """Distance around the circle by way of unit vectors, independent of the modulo that is under test."""
    return abs(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(np.subtract(x, y))))))


# Differences ----------------------------------------------------------------------------------------------------------


@given(ANGLES)
def test_wrapped_angle_is_the_same_direction(angle):
    wrapped = angles.wrap_angle(angle)
    assert isinstance(wrapped, float) and 0 <= wrapped < 360
    assert apart(wrapped, angle) < 1e-6


@pytest.mark.parametrize(("angle", "wrapped"), [(360, 0), (-90, 270), (720.5, 0.5), (-1e-20, 0), (-0.0, 0), (1e6, 280)])
def test_wrap_at_the_seam(angle, wrapped):
    assert angles.wrap_angle(angle) == wrapped


def test_wrap_keeps_the_shape():
    wrapped = angles.wrap_angle(np.array([[-1, 361], [0, 720]], np.int16))
    assert wrapped.dtype == np.float64 and wrapped.tolist() == [[359, 1], [0, 0]]


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(0, 400, 40), (359, 1, 2), (1, 359, 2), (0, 180, 180), (90, -90, 180), (7, 7, 0), (0, 360, 0)],
)
def test_difference_of_known_angles(x, y, expected):
    assert angles.angle_difference(x, y) == expected


@given(ANGLES, ANGLES, TURNS)
def test_difference_is_a_distance_around_the_circle(x, y, turns):
    difference = angles.angle_difference(x, y)
    assert 0 <= difference <= 180
    assert difference == pytest.approx(apart(x, y), abs=1e-6)
    assert difference == pytest.approx(angles.angle_difference(y, x), abs=1e-9)
    assert difference == pytest.approx(angles.angle_difference(x + 360 * turns, y), abs=1e-6)


@given(ANGLES, ANGLES, ANGLES)
def test_difference_obeys_the_triangle_inequality(x, y, z):
    assert angles.angle_difference(x, z) <= angles.angle_difference(x, y) + angles.angle_difference(y, z) + 1e-6


@given(ANGLES, ANGLES)
def test_signed_difference_leads_from_one_to_the_other(x, y):
    signed = angles.signed_difference(x, y)
    assert -180 <= signed < 180
    assert apart(y + signed, x) < 1e-6


def test_difference_of_arrays_broadcasts():
    table = angles.angle_difference(np.arange(0, 360, 90)[:, None], np.arange(0, 360, 90))
    assert table.tolist() == [[0, 90, 180, 90], [90, 0, 90, 180], [180, 90, 0, 90], [90, 180, 90, 0]]


# Mean -----------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-80, 80), min_size=1, max_size=8), ANGLES)
def test_circular_mean_turns_with_its_angles(spread, turn):
    before = angles.circular_mean(spread)
    assert 0 <= before < 360
    assert apart(angles.circular_mean(np.add(spread, turn)), before + turn) < 1e-5


@given(ANGLES, st.floats(0, 89))
def test_circular_mean_of_a_symmetric_pair_is_its_middle(middle, spread):
    assert apart(angles.circular_mean([middle - spread, middle + spread]), middle) < 1e-5


def test_circular_mean_by_weight():
    assert angles.circular_mean([0, 90], weights=[1, 0]) == pytest.approx(0)
    assert angles.circular_mean([0, 90], weights=[1e-9, 1e-9]) == pytest.approx(45)
    assert angles.circular_mean([0, 90], weights=[2, 2]) == angles.circular_mean([[0], [90]])


@pytest.mark.parametrize("given_angles", [[], [0, 180], [10, 130, 250], [0, 90, 180, 270], [np.nan], [0, np.inf]])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_circular_mean_without_a_direction(given_angles):
    with pytest.raises(ValueError, match="Received: "):
        angles.circular_mean(given_angles)


def test_circular_mean_without_weight():
    with pytest.raises(ValueError, match="cancel out"):
        angles.circular_mean([0, 10], weights=[0, 0])


# Labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("angle", "label"),
    [(0, 0), (359.6, 0), (359.4, 359), (-0.4, 0), (-1, 359), (12.4, 12), (12.5, 13), (720, 0), (400, 40)],
)
def test_one_hot_of_the_nearest_class(angle, label):
    encoded = angles.encode_angles(angle)
    assert encoded.shape == (360,) and encoded.dtype == np.float32
    assert encoded.argmax() == label and encoded.sum() == 1 and set(encoded) == {0, 1}


@given(st.lists(ANGLES, max_size=5), st.one_of(st.none(), st.floats(1e-3, 500)), st.sampled_from([1, 4, 72, 360]))
def test_labels_are_distributions(given_angles, sigma, bins):
    encoded = angles.encode_angles(given_angles, sigma=sigma, bins=bins)
    assert encoded.shape == (len(given_angles), bins) and encoded.dtype == np.float32
    assert (encoded >= 0).all()
    np.testing.assert_allclose(encoded.sum(axis=1), 1, rtol=1e-5)


@given(st.integers(0, 359), st.floats(0.5, 30), st.integers(0, 359))
def test_soft_labels_are_symmetric_and_turn_with_the_angle(angle, sigma, turn):
    encoded = angles.encode_angles(angle, sigma=sigma)
    np.testing.assert_allclose(np.roll(encoded, turn), angles.encode_angles(angle + turn, sigma=sigma), atol=1e-6)
    np.testing.assert_allclose(np.roll(encoded, 180 - angle)[1:], np.roll(encoded, 180 - angle)[:0:-1], atol=1e-6)


def test_soft_label_has_the_width_asked_for():
    offsets = angles.signed_difference(np.arange(360), 40)
    for sigma in (1.0, 3.0, 10.0):
        assert np.sqrt(angles.encode_angles(40, sigma=sigma) @ offsets**2) == pytest.approx(sigma, rel=1e-3)


@given(ANGLES)
def test_round_trip_by_mode_is_within_half_a_class(angle):
    for sigma in (None, 2.0):
        assert apart(angles.decode_angles(angles.encode_angles(angle, sigma=sigma), method="mode"), angle) <= 0.5 + 1e-6


@given(ANGLES, st.floats(1.0, 4.0))
def test_round_trip_in_fractions_of_a_degree(angle, sigma):
    encoded = angles.encode_angles(angle, sigma=sigma)
    # the window is centred on the mode, half a class off at worst, where it cuts one tail shorter than the other
    assert apart(angles.decode_angles(encoded, method="local_mean", window=20.0), angle) < 0.01
    assert apart(angles.decode_angles(encoded, method="local_mean"), angle) < 0.25
    assert apart(angles.decode_angles(encoded, method="median"), angle) < 0.05


@pytest.mark.parametrize("method", angles.DECODERS)
@given(given_angles=st.lists(st.floats(0, 360), max_size=4))
@settings(max_examples=30)
def test_rows_are_decoded_one_by_one(method, given_angles):
    rows = angles.encode_angles(given_angles, sigma=2.0)
    decoded = angles.decode_angles(rows, method=method)
    assert decoded.shape == (len(given_angles),) and decoded.dtype == np.float64
    assert ((decoded >= 0) & (decoded < 360)).all()
    assert decoded.tolist() == [angles.decode_angles(row, method=method) for row in rows]


@pytest.mark.parametrize("method", angles.DECODERS)
@given(noise=st.integers(0, 2**32 - 1), bins=st.sampled_from([4, 5, 36, 360]))
@settings(max_examples=20)
def test_decoding_turns_with_the_classes(method, noise, bins):
    rows = np.random.default_rng(noise).dirichlet(np.ones(bins))
    turned = angles.decode_angles(np.roll(rows, 1), method=method)
    assert apart(turned, angles.decode_angles(rows, method=method) + 360 / bins) < 1e-5


def test_median_answers_with_the_least_expected_distance():
    rows = np.random.default_rng(0).dirichlet(np.full(360, 0.1), size=20)
    grid = np.arange(0, 360, 0.25)
    expected = angles.angle_difference(grid[:, None], np.arange(360)) @ rows.T
    answer = angles.decode_angles(rows, method="median")
    reached = (angles.angle_difference(answer[:, None], np.arange(360)) * rows).sum(axis=1)
    assert (reached <= expected.min(axis=0) + 0.5).all()


def test_decoders_differ_where_two_peaks_compete():
    rows = 0.55 * angles.encode_angles(10.3, sigma=2.0) + 0.45 * angles.encode_angles(190.3, sigma=2.0)
    assert angles.decode_angles(rows, method="mode") == 10
    assert angles.decode_angles(rows, method="local_mean") == pytest.approx(10.3, abs=0.05)


def test_quarter_turns_roll_the_classes():
    for turns in range(-4, 5):
        turned = angles.encode_angles(33 + 90 * turns)
        assert angles.roll_quarter_turns(turned, turns).argmax() == 33
    assert angles.roll_quarter_turns(np.eye(8)[None], 1).shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: angles.encode_angles([0, np.nan]), "finite degrees"),
        (lambda: angles.encode_angles(np.inf), "finite degrees"),
        (lambda: angles.encode_angles(0, sigma=0), "sigma=0"),
        (lambda: angles.encode_angles(0, sigma=np.nan), "sigma=nan"),
        (lambda: angles.encode_angles(0, bins=0), "bins=0"),
        (lambda: angles.decode_angles(np.ones(360), method="mean"), "method='mean'"),
        (lambda: angles.decode_angles(0.5), r"shape \(\)"),
        (lambda: angles.decode_angles(np.ones((2, 2, 360))), r"shape \(2, 2, 360\)"),
        (lambda: angles.decode_angles(np.ones((2, 0))), r"shape \(2, 0\)"),
        (lambda: angles.decode_angles([np.nan, 1]), "finite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "Received: " in str(caught.value)


# Sines and cosines ----------------------------------------------------------------------------------------------------


@given(ANGLES)
def test_sine_and_cosine_are_those_of_the_angle(angle):
    found = angles.sin_cos(angle)
    assert all(type(value) is float for value in found)
    np.testing.assert_allclose(found, [np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))], atol=1e-10)
    np.testing.assert_array_equal(np.ravel(angles.sin_cos([angle])), found)


@given(TURNS)
def test_sine_and_cosine_are_exact_at_quarter_turns(quarters):
    expected = ((0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0))[quarters % 4]
    assert angles.sin_cos(90.0 * quarters) == expected
