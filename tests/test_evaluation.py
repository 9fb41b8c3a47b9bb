import numpy as np
import pytest

from rotnet import evaluation
from rotnet.angles import angle_difference, encode_angles
from rotnet.errors import UsageError
from rotnet.evaluation import Evaluation, calibrate, calibration_error, evaluate, least_harmful_threshold, score
from rotnet.geometry import rotate
from rotnet.inference import Predictor


class GradientNetwork:
    """Reads the angle off a picture whose brightness grows upwards: right without having learned anything."""

    input_shape = (None, 32, 32, 3)

    def predict_on_batch(self, batch):
        grey = batch.mean(axis=3)
        down, right = (np.gradient(grey, axis=axis)[:, 4:-4, 4:-4].mean((1, 2)) for axis in (1, 2))
        return encode_angles(np.rad2deg(np.arctan2(-right, -down)), sigma=2.0)


@pytest.fixture
def predictor():
    return Predictor(GradientNetwork())


@pytest.fixture
def upright():
    levels = np.linspace(230, 20, 120).astype(np.uint8)
    return [np.repeat(np.repeat(levels[:, None], 160, 1)[..., None], 3, 2)] * 6


def test_score_counts_around_the_circle():
    scores = score([0, 0, 0, 0], [1, 359, 100, 180])
    assert scores.mean == pytest.approx((1 + 1 + 100 + 180) / 4)
    assert (scores.within_2, scores.gross, scores.flipped, scores.quadrant) == (0.5, 0.5, 0.5, 0.5)


@pytest.mark.parametrize(("truth", "angles"), [([], []), ([1.0], [1.0, 2.0])])
def test_score_refuses_what_it_cannot_count(truth, angles):
    with pytest.raises(ValueError, match="Received"):
        score(truth, angles)


@pytest.mark.parametrize("protocol", ["memory", "files", "twice"])
def test_protocols_turn_by_the_angle_they_report(predictor, upright, protocol):
    found = evaluate(predictor, upright, protocol=protocol, seed=3)
    assert found.scores.pictures == 6
    assert found.scores.mean < 1.5


def test_noise_leaves_nothing_to_read(predictor, upright):
    found = evaluate(predictor, upright * 20, protocol="noise", turns=1)
    assert 60 < found.scores.mean < 120


def test_fixed_angles_and_repeats(predictor, upright):
    found = evaluate(predictor, upright[:2], angles=[0.0, 90.0, 180.0, 270.0], repeats=2)
    assert found.truth.tolist() == [0.0, 90.0, 180.0, 270.0]
    assert found.scores.mean < 0.5


def test_same_seed_same_answers(predictor, upright):
    first, second = (evaluate(predictor, upright, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.angles, second.angles)


def test_unreadable_pictures_are_left_out(predictor, upright, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    assert evaluate(predictor, [broken, *upright]).scores.pictures == 6


def test_wrong_protocol_or_no_pictures(predictor, upright):
    with pytest.raises(UsageError, match="protocol must be one of"):
        evaluate(predictor, upright, protocol="paper")
    with pytest.raises(UsageError, match="at least one picture"):
        evaluate(predictor, [])


def test_calibration_recovers_a_known_logistic():
    rng = np.random.default_rng(0)
    mass = rng.uniform(0.02, 0.98, 20000)
    odds = np.log(mass / (1 - mass))
    right = rng.random(20000) < 1 / (1 + np.exp(-(2.0 * odds + 0.5)))
    slope, intercept = calibrate(mass, right)
    assert (slope, intercept) == (pytest.approx(2.0, abs=0.1), pytest.approx(0.5, abs=0.1))
    confidence = 1 / (1 + np.exp(-(slope * odds + intercept)))
    assert calibration_error(confidence, right) < 0.02 < calibration_error(mass, right)


@pytest.mark.parametrize("right", [np.ones(50, bool), np.zeros(50, bool), np.arange(50) > 24])
def test_calibration_stays_finite(right):
    assert np.isfinite(calibrate(np.linspace(0.01, 0.99, 50), right)).all()


def _upright(angles, confidence):
    angles, confidence = np.asarray(angles, float), np.asarray(confidence, float)
    return Evaluation(np.zeros_like(angles), angles, confidence, confidence, score(np.zeros_like(angles), angles))


def test_threshold_keeps_harm_below_the_limit():
    rng = np.random.default_rng(1)
    found = _upright(np.where(rng.random(2000) < 0.1, 90.0, 1.0), rng.uniform(0, 1, 2000))
    threshold = least_harmful_threshold(found)
    harmed = (np.asarray(angle_difference(found.angles, 0)) > 10) & (found.confidence >= threshold)
    assert harmed.mean() < 1 / 100
    lower = (np.asarray(angle_difference(found.angles, 0)) > 10) & (found.confidence >= threshold - 0.02)
    assert lower.mean() >= 1 / 100


def test_threshold_of_a_harmless_model_is_the_floor():
    assert least_harmful_threshold(_upright([0.0, 1.0], [0.1, 0.2])) == 0.3


def test_evaluate_views_measures_pictures_that_are_turned_already(predictor, upright):
    truth = np.array([10.0, 200.0])
    crooked = [rotate(upright[0], angle, crop="inscribed") for angle in truth]
    assert evaluation.evaluate_views(predictor, crooked, truth).scores.mean < 1.0
