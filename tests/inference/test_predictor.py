"""Answers: from every source and kind of model, the same from every thread, and without a training framework.

The networks are made here; of the shipped preset only is asked that it answers.
"""

import io
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from compass import compass_onnx, compass_weights, crooked
from onnx import TensorProto
from pictures import encoded
from PIL import Image

import rotnet
from rotnet import AnglePrediction, Predictor, angle_difference, encode_angles, predict_angle
from rotnet.errors import ImageError, MissingExtraError, UnknownPresetError, UsageError, WeightsError
from rotnet.inference.allowed_angles import decode_allowed
from rotnet.inference.model_card import ModelCard
from rotnet.inference.options import Options
from rotnet.inference.predictor import as_predictor
from rotnet.inference.views import pool, strip_view, turned_views

# Pictures -------------------------------------------------------------------------------------------------------------


def test_prediction_is_what_the_documentation_says(compass):
    answer = predict_angle(crooked(200.0), model=compass)
    assert isinstance(answer, AnglePrediction)
    assert type(answer.angle) is float and type(answer.confidence) is float
    assert 0 <= answer.confidence <= 1
    assert answer.probabilities.shape == (360,) and answer.probabilities.dtype == np.float32
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)
    with pytest.raises(AttributeError):
        answer.angle = 0.0


@pytest.mark.parametrize("turns", [1, 4])
@pytest.mark.parametrize("angle", [0.0, 0.4, 89.75, 123.4, 180.0, 270.0, 359.6])
def test_angles_are_finer_than_a_degree(compass, angle, turns):
    answer = predict_angle(crooked(angle), model=compass, turns=turns)
    assert angle_difference(answer.angle, angle) < 0.2
    assert 0 <= answer.angle < 360
    assert answer.confidence > 0.9


def test_all_sources_agree(compass, tmp_path):
    image = crooked(70.0)
    data = encoded(image)
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    sources = [str(path), path, data, io.BytesIO(data), Image.fromarray(image), image, image / 255]
    expected = predict_angle(image, model=compass)
    for source in sources:
        answer = predict_angle(source, model=compass)
        assert answer == expected
        np.testing.assert_array_equal(answer.probabilities, expected.probabilities)


def test_four_turns_of_a_square_picture_agree(compass):
    image = np.random.default_rng(0).integers(0, 256, (33, 33, 3), np.uint8)
    image[:16] //= 2
    answers = [predict_angle(np.rot90(image, turn), model=compass) for turn in range(4)]
    for turn, answer in enumerate(answers):
        rolled = np.roll(answers[0].probabilities, 90 * turn)
        np.testing.assert_allclose(answer.probabilities, rolled, atol=1e-4)
        assert angle_difference(answer.angle, answers[0].angle + 90 * turn) < 0.01


def test_one_turn_looks_once_and_four_look_at_each_quarter(compass, monkeypatch):
    seen = []
    network = compass._network
    monkeypatch.setattr(compass, "_network", lambda batch: seen.append(batch) or network(batch))
    predict_angle(crooked(10.0), model=compass, turns=1)
    predict_angle(crooked(10.0), model=compass, turns=4)
    assert [len(batch) for batch in seen] == [1, 4]
    first, last = seen[1][0], np.rot90(seen[1][1], -1)
    np.testing.assert_array_equal(seen[1], [np.rot90((first, last)[turn % 2], turn) for turn in range(4)])
    strip = compass.view(crooked(10.0)).strip
    assert strip.shape == (16, 21, 3)
    for square, columns in ((first, slice(16)), (last, slice(5, 21)), (seen[0][0], slice(2, 18))):
        np.testing.assert_array_equal(square, strip[:, columns])


def test_as_many_looks_as_it_takes_to_be_sure(tmp_path, monkeypatch):
    card = {"calibration": {"1": [1.0, 0.0], "4": [1.0, 0.0]}}
    predictor = Predictor(compass_onnx(tmp_path / "compass.onnx", card=card))
    seen, network = [], predictor._network
    monkeypatch.setattr(predictor, "_network", lambda batch: seen.append(len(batch)) or network(batch))
    sure, flat = crooked(10.0), np.full((48, 64, 3), 128, np.uint8)
    answers = predictor.predict([sure, flat, sure, flat])
    assert seen == [4, 2, 4] and [answer.turns for answer in answers] == [1, 4, 1, 4]
    assert [answer.confidence >= 0.9 for answer in answers] == [True, False, True, False]
    np.testing.assert_array_equal(answers[1].probabilities, predictor.predict(flat, turns=4).probabilities)
    # who asks for more than one look can promise gets four
    seen.clear()
    (answer,) = predictor.predict_views([predictor.view(sure)], Options(min_confidence=1.0))
    assert seen == [1, 1, 2] and answer.turns == 4
    seen.clear()
    list(predictor.predict_views([predictor.view(flat)] * 17))
    assert seen == [8, 8, 8, 8, 8, 8, 8, 8, 1, 1, 2]


def test_without_a_calibration_all_four_are_looked_at(compass):
    assert compass.predict(crooked(10.0)).turns == 4


@pytest.mark.parametrize("turns", [0, 2, -4, "4", 1.5])
@pytest.mark.parametrize("images", [[], crooked(0.0)], ids=["none", "one"])
def test_other_numbers_of_turns_are_refused(compass, images, turns):
    with pytest.raises(UsageError, match="turns must be 1 or 4"):
        predict_angle(images, model=compass, turns=turns)


def test_many_pictures_give_a_list(compass):
    images = [crooked(angle) for angle in range(0, 360, 17)]
    singly = [predict_angle(image, model=compass).angle for image in images]
    for many in (images, tuple(images), np.stack(images)):
        answers = predict_angle(many, model=compass)
        assert isinstance(answers, list)
        assert [answer.angle for answer in answers] == pytest.approx(singly, abs=1e-3)
    assert compass.predict(iter(images))[3] == answers[3]


@pytest.mark.parametrize("none", [[], (), np.zeros((0, 8, 8, 3), np.uint8)])
def test_no_pictures_give_an_empty_list(compass, none):
    assert predict_angle(none, model=compass) == []


def test_bad_picture_of_a_list_is_named(compass):
    with pytest.raises(ImageError, match=r"^images\[1\]: nowhere\.jpg cannot be opened"):
        predict_angle([crooked(0.0), "nowhere.jpg"], model=compass)
    with pytest.raises(ImageError, match=r"^images\[0\]: a picture must be a path.*got NoneType"):
        predict_angle([None], model=compass)
    with pytest.raises(ImageError, match=r"^nowhere\.jpg cannot be opened"):
        predict_angle("nowhere.jpg", model=compass)


def test_digits_of_every_form(tmp_path):
    model = Predictor(compass_onnx(tmp_path / "gray.onnx", channels=1, weights=compass_weights(channels=1)))
    digit = crooked(70.0, 28, 28)[:, :, 0]
    expected = predict_angle(digit, model=model)
    for form in (digit[:, :, None], digit.astype(float), (digit / 255).astype(np.float32)):
        assert predict_angle(form, model=model) == expected
    binary = predict_angle(255 * (digit > 127).astype(np.uint8), model=model)
    for form in (digit > 127, (digit > 127).astype(np.float32)):
        assert predict_angle(form, model=model) == binary
    stack = np.stack([digit] * 5)
    for many in (stack[..., None], stack[..., None] / 255, list(stack)):
        assert predict_angle(many, model=model) == [expected] * 5
    with pytest.raises(ImageError, match=r"got \(5, 28, 28\): put channels last, and several pictures into a list"):
        predict_angle(stack, model=model)


def test_predictor_answers_one_picture_or_many(compass):
    picture = crooked(40.0)
    one = compass.predict(picture)
    assert one == compass.predict(encoded(picture)) == predict_angle(picture, model=compass)
    for several in ([picture, picture], (picture for _ in range(2)), np.stack([picture, picture])):
        assert compass.predict(several) == [one, one]
    assert predict_angle((picture for _ in range(2)), model=compass) == [one, one]
    with pytest.raises(ImageError, match="put channels last"):
        compass.predict(picture.transpose(2, 0, 1))


def test_predictor_travels_by_its_path(tmp_path):
    predictor = Predictor(compass_onnx(tmp_path / "model.onnx"), threads=1)
    again = pickle.loads(pickle.dumps(predictor))
    assert again.predict(crooked(40.0)) == predictor.predict(crooked(40.0))
    with again as opened:
        assert opened is again
    with pytest.raises(UsageError, match="let go of its network at the end of its `with`: make another one"):
        again.predict(crooked(40.0))


def test_threads_share_a_predictor(compass):
    pictures = [crooked(angle) for angle in np.linspace(0, 359, 60)]
    serial = [compass.predict([picture])[0] for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(lambda picture: compass.predict([picture])[0], pictures))
    assert parallel == serial
    for one, other in zip(parallel, serial, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


# What is looked at and allowed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 40), (40, 60), (90, 40), (40, 41), (30, 400), (5, 7), (200, 1)])
def test_strip_is_a_true_picture_of_the_middle(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.stack([x % 256, y % 256, 0 * x], -1).astype(np.uint8)
    strip = strip_view(image, (16, 16))
    assert min(strip.shape[:2]) == 16
    assert 16 <= max(strip.shape[:2]) <= 32
    assert max(strip.shape[:2]) <= 16 * max(shape) / min(shape)
    first, *others = turned_views(strip, (16, 16), 4)
    assert first.shape == (16, 16, 3) and all(view.shape == first.shape for view in others)
    # the middle stays where it is
    if max(shape) < 256 and min(shape) > 16:
        for channel, side in ((0, shape[1]), (1, shape[0])):
            assert strip[..., channel].mean() == pytest.approx((side - 1) / 2, abs=1.0)


def test_ends_of_a_long_picture_are_both_asked(compass):
    long = np.full((16, 32, 3), 128, np.uint8)
    long[:, :16] = crooked(50.0, 16, 16)
    assert angle_difference(predict_angle(long, model=compass).angle, 50.0) < 0.5
    assert angle_difference(predict_angle(np.fliplr(long), model=compass).angle, 310.0) < 0.5


def test_pooled_views_keep_what_they_agree_on():
    answers = np.full((4, 360), 1e-3, np.float32)
    for turn in range(4):
        answers[turn, (20 + 90 * turn) % 360] = 0.3
        answers[turn, (100 + 17 * turn) % 360] = 0.4  # each errs in its own way
    pooled = pool(answers / answers.sum(axis=1, keepdims=True))
    assert pooled.argmax() == 20
    assert pooled.sum() == pytest.approx(1, abs=1e-5)
    assert pooled[20] > 5 * np.delete(pooled, 20).max()


@pytest.mark.parametrize("method", ["mode", "local_mean", "median"])
@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, 100.0),
        ((-15, 15), 6.0),
        ((345, 375), 6.0),
        ((0.2, 0.8), 0.8),
        ((7, 9), 7.0),
        ((-180, 180), 100.0),
        ((90, 99), 99.0),
    ],
)
def test_only_allowed_angles_are_answered(method, allowed, expected):
    row = 0.9 * encode_angles(100.0, sigma=2.0) + 0.1 * encode_angles(6.0, sigma=2.0)
    angle = decode_allowed(row, method=method, angle_range=allowed)
    assert angle_difference(angle, expected) < 1.5
    if allowed:
        assert angle_difference(angle, sum(allowed) / 2) <= (allowed[1] - allowed[0]) / 2 + 1e-9


@pytest.mark.parametrize(
    ("peak", "allowed", "expected"),
    [(93.0, None, 90.0), (356.0, None, 0.0), (200.0, None, 180.0), (93.0, (-100, 50), 0.0)],
)
def test_right_angles(peak, allowed, expected):
    assert decode_allowed(encode_angles(peak, sigma=8.0), angle_range=allowed, right_angles=True) == expected


def test_range_and_right_angles_by_every_way_in(compass):
    picture = crooked(100.0)
    free = predict_angle(picture, model=compass)
    ranged = predict_angle(picture, model=compass, angle_range=(-15, 15))
    assert angle_difference(ranged.angle, 0.0) <= 15.0
    assert ranged.confidence < 0.01 < free.confidence  # it lies on its side, whatever is allowed
    np.testing.assert_array_equal(ranged.probabilities, free.probabilities)
    assert compass.predict([picture], angle_range=(-15, 15)) == [ranged]
    assert predict_angle([picture], model=compass, right_angles=True)[0].angle == 90.0
    upright, answer = rotnet.correct_rotation(
        picture, model=compass, right_angles=True, min_confidence=0, return_prediction=True
    )
    assert answer.angle == 90.0
    np.testing.assert_array_equal(upright, np.rot90(picture, -1))


@pytest.mark.parametrize("allowed", [15, (15,), (15, -15), (0, 361), ("a", "b"), (0, float("nan")), (1, 2, 3), (5, 5)])
def test_ranges_that_are_none_are_refused(compass, allowed):
    with pytest.raises(UsageError, match=r"angle_range must be None or \(low, high\) degrees.*Received"):
        predict_angle(crooked(0.0), model=compass, angle_range=allowed)


def test_range_without_a_right_angle_is_refused(compass):
    with pytest.raises(UsageError, match="must hold a right angle"):
        predict_angle(crooked(0.0), model=compass, angle_range=(10, 20), right_angles=True)


def test_range_that_leaves_nothing_to_turn_is_refused(compass):
    with pytest.raises(UsageError, match="0 as the only right angle, so that nothing would be turned"):
        predict_angle(crooked(0.0), model=compass, angle_range=(-15, 15), right_angles=True)
    assert predict_angle(crooked(0.0), model=compass, angle_range=(-100, 15), right_angles=True).angle == 0.0


def test_pictures_that_may_stand_upright_are_left_alone(tmp_path):
    card = {"min_confidence": 0.5, "max_upright": 0.01}
    model = Predictor(compass_onnx(tmp_path / "model.onnx", card=card))
    tilted, fallen = crooked(8.0), crooked(80.0)
    certain = [predict_angle(picture, model=model) for picture in (tilted, fallen)]

    def actions(**asked):
        return [model.decide(answer, Options(**asked)).action for answer in certain]

    assert actions() == ["slight tilt", "turned"]
    assert actions(level=True) == actions(min_confidence=0.5) == ["turned", "turned"]
    assert actions(min_confidence=1.0) == ["unsure", "unsure"]
    np.testing.assert_array_equal(rotnet.correct_rotation(tilted, model=model), tilted)
    assert rotnet.correct_rotation(fallen, model=model).shape != fallen.shape
    # who asks for a range says that the pictures are tilted, who asks for a confidence gets it
    for options in ({"angle_range": (-15, 15)}, {"min_confidence": 0.5}):
        assert rotnet.correct_rotation(tilted, model=model, **options).shape != tilted.shape


# Models ---------------------------------------------------------------------------------------------------------------


def test_model_by_every_name(compass, tmp_path):
    path = compass_onnx(tmp_path / "mine.ONNX")
    expected = predict_angle(crooked(33.0), model=compass)
    for model in (str(path), path, Predictor(path), Predictor(str(path), threads=1)):
        assert predict_angle(crooked(33.0), model=model) == expected


def test_file_is_loaded_once_and_again_when_it_changed(tmp_path):
    path = compass_onnx(tmp_path / "model.onnx")
    first = as_predictor(path)
    assert as_predictor(str(path)) is first
    compass_onnx(path, card={"tolerance": 3.0})
    os.utime(path, ns=(1, 1))
    assert as_predictor(path).card.tolerance == 3.0


def test_logits_and_probabilities_mean_the_same(compass, tmp_path):
    logits = Predictor(compass_onnx(tmp_path / "logits.onnx", softmax=False))
    expected, got = (predict_angle(crooked(250.0), model=model) for model in (compass, logits))
    np.testing.assert_allclose(got.probabilities, expected.probabilities, atol=1e-5)


def test_gray_model(tmp_path):
    model = compass_onnx(tmp_path / "gray.onnx", channels=1, weights=compass_weights(channels=1, certainty=0.1))
    assert angle_difference(predict_angle(crooked(140.0), model=model).angle, 140.0) < 0.2


def test_card_of_the_file_is_used(tmp_path):
    card = {"decoder": "mode", "min_confidence": 0.9, "calibration": {"4": [0.0, 0.0]}, "of_a_later_version": 1}
    model = Predictor(compass_onnx(tmp_path / "model.onnx", card=card))
    assert model.card.min_confidence == 0.9
    answer = predict_angle(crooked(77.3), model=model)
    assert answer.angle == 77.0
    assert answer.confidence == 0.5
    assert predict_angle(crooked(77.3), model=model, turns=1).confidence > 0.9


@pytest.mark.parametrize("slope", [-1e6, -1.0, 0.0, 1.0, 1e6])
@pytest.mark.parametrize("row", [np.eye(360)[0], np.full(360, 1 / 360), np.eye(360)[180]])
def test_confidence_is_a_probability_whatever_the_calibration(row, slope):
    assert 0 <= ModelCard(calibration={"1": (slope, 3.0)}).confidence(row, 0.0, 1) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": TensorProto.UINT8}, "must take float32 pictures"),
        ({"channels": 4}, "1 or 3 channels. This one takes 4"),
        ({"weights": np.ones((768, 2), np.float32)}, r"360 probabilities.*\(4, 2\)"),
        ({"weights": np.full((768, 360), np.nan, np.float32)}, "finite numbers"),
        ({"fixed": 1}, "cannot answer for a batch of shape"),
        ({"card": "{"}, "not a model card"),
        ({"card": "[]"}, "not a model card"),
        ({"card": {"decoder": "guess"}}, "not a model card: decoder must be one of"),
        ({"card": {"decoder": []}}, "not a model card: decoder must be one of"),
        ({"card": "[" * 100_000}, "not a model card: it is nested too deeply"),
        ({"card": {"tolerance": "wide"}}, "not a model card: tolerance must be degrees"),
        ({"card": {"tolerance": 0}}, "not a model card: tolerance must be degrees"),
        ({"card": {"min_confidence": None}}, "not a model card: min_confidence must be a finite number"),
        ({"card": {"max_upright": 10**400}}, "not a model card: max_upright must be a finite number"),
        ({"card": {"calibration": [1]}}, "not a model card: calibration must be two finite numbers"),
        ({"card": {"calibration": {"4": [1]}}}, "not a model card: calibration must be two finite numbers"),
        ({"card": {"calibration": {"4": ["a", 1]}}}, "not a model card: calibration must be two finite numbers"),
    ],
)
def test_unfit_models_are_refused(tmp_path, options, message):
    with pytest.raises(WeightsError, match=message):
        predict_angle(crooked(0.0), model=compass_onnx(tmp_path / "model.onnx", **options))


@pytest.mark.parametrize("side", [0, 20_000])
def test_models_of_too_large_pictures_are_refused(tmp_path, side):
    path = compass_onnx(tmp_path / "large.onnx", weights=compass_weights(1))
    model = onnx.load(path)
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = side
    model.graph.node.insert(1, onnx.helper.make_node("ReduceMax", ["cast"], ["small"], axes=[1, 2]))
    model.graph.node[2].input[0] = "small"
    onnx.save(model, path)
    with pytest.raises(WeightsError, match=f"must take pictures of 1 to 4096 pixels a side. It takes {side}"):
        predict_angle(crooked(0.0), model=path)


def test_models_that_answer_with_words_are_refused(tmp_path):
    path = compass_onnx(tmp_path / "words.onnx")
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("Cast", ["answer"], ["words"], to=TensorProto.STRING))
    words = onnx.helper.make_tensor_value_info("words", TensorProto.STRING, ["N", 360])
    del model.graph.output[:]
    model.graph.output.append(words)
    onnx.save(model, path)
    with pytest.raises(WeightsError, match="must answer with numbers.*tensor.string"):
        predict_angle(crooked(0.0), model=path)


def test_oblong_model_answers_for_one_turn_only(tmp_path):
    path = compass_onnx(tmp_path / "oblong.onnx", height=8, weights=np.zeros((8 * 16 * 3, 360), np.float32))
    with pytest.raises(UsageError, match="turns=4 needs a model of square pictures"):
        predict_angle(crooked(0.0), model=path, turns=4)
    for turns in (None, 1):
        assert 0 <= predict_angle(crooked(0.0), model=path, turns=turns).angle < 360
    assert rotnet.correct_rotation(crooked(0.0), model=path, min_confidence=1.0).shape == (48, 64, 3)


@pytest.mark.parametrize("name", ["model.onnx", "model.keras", "model.h5", "model.safetensors", "model"])
def test_what_is_no_model_is_refused_by_name(tmp_path, name):
    path = tmp_path / name
    path.write_text("no model")
    with pytest.raises((WeightsError, MissingExtraError), match=name):
        predict_angle(crooked(0.0), model=path)


@pytest.mark.parametrize("model", [None, 3, b"photo", object(), Predictor])
def test_other_things_are_no_models(model):
    with pytest.raises(UsageError, match="model must be the name of a preset"):
        predict_angle(crooked(0.0), model=model)


def test_unknown_preset_and_missing_file():
    with pytest.raises(UnknownPresetError, match="did you mean 'photo'"):
        predict_angle(crooked(0.0), model="phto")
    with pytest.raises(WeightsError, match="does not exist"):
        predict_angle(crooked(0.0), model="nowhere/model.onnx")


def test_keras_file_without_keras_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    path.touch()
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rotnet\[train\]'"):
        predict_angle(crooked(0.0), model=path)


def test_8_bits_say_what_float32_says():
    photographs = sorted((pathlib.Path(__file__).parents[2] / "examples" / "photos").glob("*.jpg"))
    answers = (Predictor(name).predict(photographs, turns=4, refine=None) for name in ("photo", "photo_int8"))
    # the 8-bit network comes from an earlier one, so that they need not agree where either is unsure
    sure = [(one, other) for one, other in zip(*answers, strict=True) if min(one.confidence, other.confidence) > 0.8]
    assert len(sure) == 5
    assert max(angle_difference(one.angle, other.angle) for one, other in sure) < 5
    assert max(abs(one.confidence - other.confidence) for one, other in sure) < 0.1


def test_shipped_preset_answers_elsewhere_without_a_training_framework(tmp_path):
    Image.fromarray(crooked(30.0)).save(tmp_path / "picture.png")
    code = """
        import sys

        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("keras", "tensorflow", "torch", "jax", "matplotlib", "skimage"):
                    raise AssertionError(f"{name} must not be imported")

        sys.meta_path.insert(0, Blocker())
        import rotnet
        from rotnet.cli.main import main

        answer = rotnet.predict_angle("picture.png")
        assert 0 <= answer.angle < 360 and 0 <= answer.confidence <= 1
        assert rotnet.correct_rotation("picture.png", min_confidence=0).mode == "RGB"
        sys.exit(main(["predict", "picture.png", "--format", "jsonl"]))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


# Keras models ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


def keras_compass(keras, activation="softmax", channels=3, scale=1.0):
    inputs = keras.Input((16, 16, channels))
    outputs = keras.layers.Dense(360, activation=activation, use_bias=False)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    model.set_weights([compass_weights(channels=channels, certainty=0.03 * scale)])
    return model


@pytest.mark.parametrize("activation", ["softmax", None])
def test_keras_model_answers_like_the_same_network_in_onnx(keras, compass, activation):
    model = keras_compass(keras, activation)
    expected = predict_angle(crooked(301.0), model=compass)
    for turns in (1, 4):
        answer = predict_angle(crooked(301.0), model=model, turns=turns)
        assert angle_difference(answer.angle, expected.angle) < 0.01
    np.testing.assert_allclose(answer.probabilities, expected.probabilities, atol=1e-4)


def test_keras_file_answers_and_corrects(keras, tmp_path):
    keras_compass(keras).save(tmp_path / "model.keras")
    answer = predict_angle([crooked(20.0)], model=str(tmp_path / "model.keras"))[0]
    assert angle_difference(answer.angle, 20.0) < 0.2
    assert rotnet.correct_rotation(crooked(20.0), model=tmp_path / "model.keras").shape[2] == 3


def test_keras_model_with_preprocessing_outside(keras):
    model = keras_compass(keras, scale=255.0)
    predictor = Predictor(model, preprocess_func=lambda batch: batch / 255.0)
    assert angle_difference(predict_angle(crooked(44.0), model=predictor).angle, 44.0) < 0.2


def test_threads_share_a_keras_model(keras):
    predictor = Predictor(keras_compass(keras))
    angles = np.arange(0, 360, 30)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda angle: predictor.predict([crooked(angle)])[0].angle, angles))
    assert np.max(angle_difference(answers, angles)) < 0.2


def test_unfit_keras_models_are_refused(keras):
    with pytest.raises(WeightsError, match="It takes None"):
        predict_angle(crooked(0.0), model=keras.Sequential([keras.layers.Dense(360)]))
    with pytest.raises(WeightsError, match="1 or 3 channels"):
        Predictor(keras_compass(keras, channels=4))
    flat = keras.Input((5,))
    with pytest.raises(WeightsError, match=r"It takes \(None, 5\)"):
        Predictor(keras.Model(flat, keras.layers.Dense(360)(flat)))
    images = keras.Input((16, 16, 3))
    two = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(images)))
    with pytest.raises(WeightsError, match="360 probabilities"):
        predict_angle(crooked(0.0), model=two)


# Lines ----------------------------------------------------------------------------------------------------------------


def striped(light, stripes):
    """A picture that is bright above, turned by `light` degrees, whose posts lean by `stripes` degrees."""
    picture = crooked(light, 400, 520).astype(np.float64) * 0.5
    y, x = np.mgrid[0:400, 0:520]
    turn = np.radians(stripes)
    picture += 60 + 50 * np.sin((x * np.cos(turn) - y * np.sin(turn)) / 6)[:, :, None]
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("light", "stripes"), [(0.0, 1.5), (33.0, 34.0), (200.0, 198.8), (90.0, 90.8)])
def test_lines_refine_a_sure_answer(compass, light, stripes):
    picture = striped(light, stripes)
    plain = compass.predict(picture, refine=None)
    refined = compass.predict(picture)
    assert plain.level is None and plain.refined_by == 0.0
    assert angle_difference(refined.angle, stripes) < 0.3 < angle_difference(plain.angle, stripes)
    assert angle_difference(plain.angle + refined.refined_by, refined.angle) < 1e-6
    assert refined.confidence == plain.confidence and len(refined.level.segments) > 10


def test_pictures_without_lines_keep_the_networks_answer(compass):
    plain, refined = (compass.predict(crooked(33.0, 400, 520), refine=refine) for refine in (None, "lines"))
    assert refined == plain and refined.level is None


def test_lines_do_not_leave_the_range(compass):
    picture = striped(14.6, 15.6)
    assert compass.predict(picture, angle_range=(-15, 15)).angle <= 15
    with pytest.raises(UsageError, match="refine must be 'lines' or None"):
        compass.predict(picture, refine="edges")


def test_known_tilts_are_levelled_on_request(tmp_path):
    model = Predictor(compass_onnx(tmp_path / "model.onnx", card={"min_confidence": 0.5, "max_upright": 0.01}))
    answer = model.predict(striped(1.0, 1.8))
    assert model.decide(answer).action == "upright"
    decision = model.decide(answer, Options(level=True))
    assert decision.action == "turned" and abs(decision.angle - 1.8) < 0.3
    assert model.decide(model.predict(striped(0.0, 0.4)), Options(level=True)).action == "upright"


def test_slight_tilts_are_levelled_where_lines_tell_the_level(tmp_path):
    model = Predictor(compass_onnx(tmp_path / "model.onnx", card={"min_confidence": 0.5, "max_upright": 0.01}))
    answer = model.predict(striped(5.0, 5.6))
    assert answer.is_level_known
    decision = model.decide(answer)
    assert decision.action == "turned" and abs(decision.angle - 5.6) < 0.3
    assert model.decide(answer, Options(level=False)).action == "slight tilt"
    without = model.predict(striped(5.0, 5.6), refine=None)
    assert model.decide(without).action == "slight tilt"


def test_level_is_yes_no_or_none():
    with pytest.raises(UsageError, match="level must be True, False or None. Received: level='lines'"):
        Options(level="lines")
