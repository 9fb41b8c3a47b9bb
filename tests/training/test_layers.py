"""Turning on the device: the same pictures as on the processor, true labels, in every place Keras runs layers."""

import os
import pathlib
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from rotnet import RotationTrainer, angle_difference, angle_error, decode_angles, largest_rotated_rect, read_image
from rotnet.geometry.warping import warp_view
from rotnet.training import layers
from rotnet.training.jpeg_simulation import jpeg_round_trip
from rotnet.training.layers import RandomDegradation, RandomUprightRotation, _inscribed, rotate_views

PHOTOGRAPH = pathlib.Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"

rng = np.random.default_rng(0)


def bright_above(height=48, width=60, channels=3):
    ramp = np.linspace(250, 20, height).astype(np.uint8)[:, None, None]
    return np.broadcast_to(ramp, (height, width, channels)).copy()


def measured_angles(images):
    """Degrees, counter-clockwise, that the light of `bright_above` has moved from the top."""
    height, width = images.shape[1:3]
    y, x = np.mgrid[0:height, 0:width] + 0.5
    y, x = y - height / 2, x - width / 2
    light = images.mean(axis=3) * (np.hypot(x, y) < min(height, width) / 2)
    return np.degrees(np.arctan2(-(x * light).sum(axis=(1, 2)), -(y * light).sum(axis=(1, 2)))) % 360


def numpy(*tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


# The sampling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "ratio"), [((40, 40), 1.2), ((24, 32), 1.0), ((30, 30), 2.2)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_samples_as_the_processor_does(size, ratio, flip, channels):
    height, width = int(ratio * size[0] * 1.2), int(ratio * size[1] * 1.2)
    coarse = rng.integers(0, 256, (6, height // 6 + 2, width // 6 + 2, channels)).repeat(6, axis=1).repeat(6, axis=2)
    images = coarse[:, :height, :width].astype(np.uint8)
    angles = np.array([0, 13, 45, 90, 200.5, 301], np.float32)
    offsets = rng.uniform(-2, 2, (2, 6)).astype(np.float32)
    views = rotate_views(
        images, angles, size, step=np.full(6, ratio, np.float32), offset=tuple(offsets), flip=np.full(6, flip)
    )
    assert tuple(views.shape) == (6, *size, channels)
    for number, view in enumerate(numpy(views)[0]):
        expected = warp_view(
            images[number],
            float(angles[number]),
            size,
            view_size=(ratio * size[0], ratio * size[1]),
            offset=tuple(offsets[:, number].tolist()),
            flip=flip,
            fill=None,
        )
        error = np.abs(view - expected)
        assert error.mean() < 1 and error.max() < 12


@pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 50), (50, 30), (10, 90), (100, 101)])
def test_the_inscribed_window_is_that_of_the_processor(height, width):
    angles = np.array([0, 1, 30, 44.9, 44.999, 45, 45.001, 60, 89.9, 90, 135, 200, 315, 359.9], np.float32)
    found = np.stack(numpy(*_inscribed(height, width, ops.convert_to_tensor(angles))), axis=1)
    expected = [largest_rotated_rect(width, height, np.radians(float(angle)))[::-1] for angle in angles]
    np.testing.assert_allclose(found, expected, rtol=1e-2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_picture_may_be_as_thin_as_a_pixel(shape):
    images = np.full((3, *shape, 3), 90, np.uint8)
    turned, _ = numpy(*RandomUprightRotation((4, 4), colour=0.0, seed=0)(images))
    np.testing.assert_allclose(turned, 90)


@pytest.mark.skipif(not hasattr(jpeg_round_trip, "__wrapped__"), reason="compiled on TensorFlow alone, not on macOS")
def test_compiled_it_samples_and_compresses_the_same(monkeypatch):
    images = cv2.resize(read_image(PHOTOGRAPH), (90, 80), interpolation=cv2.INTER_AREA)[np.newaxis].repeat(5, axis=0)
    angles = np.array([0, 20, 90, 133, 301], np.float32)
    options = {"step": np.full(5, 1.6, np.float32), "offset": (angles / 100, angles / 200), "flip": angles > 100}
    one = rotate_views(images, angles, (30, 40), **options)
    for part in ("_places", "_sampled"):
        monkeypatch.setattr(layers, part, getattr(layers, part).__wrapped__)
    np.testing.assert_allclose(*numpy(one, rotate_views(images, angles, (30, 40), **options)), atol=0.05)
    quality = np.linspace(50, 95, 5).astype(np.float32)
    one, other = numpy(*(trip(images, quality) for trip in (jpeg_round_trip, jpeg_round_trip.__wrapped__)))
    assert np.abs(one - other).mean() < 0.05  # a coefficient amid two steps goes to either


# The layer ------------------------------------------------------------------------------------------------------------


def test_labels_say_how_far_the_pictures_are_turned():
    images = np.stack([bright_above()] * 24)
    for options in ({}, {"sigma": 3.0}, {"label": "angle"}, {"label": "turn"}, {"label": "sincos"}):
        turned, labels = numpy(*RandomUprightRotation((32, 32), colour=0.0, seed=3, **options)(images))
        if labels.shape[1:] == (360,):
            np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
            angles = decode_angles(labels)
        elif labels.shape[1:] == (2,):
            angles = np.degrees(np.arctan2(labels[:, 0], labels[:, 1]))
        else:
            angles = labels * (360 if options["label"] == "turn" else 1)
        assert angle_difference(angles, measured_angles(turned)).max() < 6
        assert angle_difference(angles, angles[0]).max() > 90


def test_no_corner_from_outside_is_seen():
    images = np.full((64, 40, 60, 3), 200, np.uint8)
    turned, _ = numpy(*RandomUprightRotation((20, 20), colour=0.0, seed=0)(images))
    assert turned.min() == turned.max() == 200


def test_what_may_be_varied_can_be_left_alone():
    image = rng.integers(0, 256, (1, 32, 32, 3), np.uint8)
    still = RandomUprightRotation(angles=(0, 0), full_view=1.0, flip=0.0, colour=0.0)
    np.testing.assert_array_equal(numpy(still(image)[0])[0], image)
    mirrored = RandomUprightRotation(angles=(0, 0), full_view=1.0, flip=1.0, colour=0.0)
    np.testing.assert_array_equal(numpy(mirrored(image)[0])[0], image[:, :, ::-1])
    _, angles = numpy(*RandomUprightRotation(angles=(-10, 10), label="angle")(image.repeat(50, axis=0)))
    assert angle_difference(angles, 0).max() <= 10 and ((angles >= 0) & (angles < 360)).all()


def test_the_seed_decides():
    images = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)

    def twice(layer):
        return [*numpy(*layer(images)), *numpy(*layer(images))]

    first, again, other = (twice(RandomUprightRotation((16, 16), seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0]) and not np.array_equal(first[0], first[2])


@pytest.mark.parametrize(
    "layer",
    [
        RandomUprightRotation((16, 20), sigma=2.0, angles=(-5, 5), seed=3),
        RandomDegradation(blur=0.1, seed=4, jpeg=0.5, jpeg_quality=(60, 80), size=(20, 24)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_is_made_anew_from_its_config(layer):
    images = rng.integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    anew = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert anew.get_config() == layer.get_config()
    for one, other in zip(*(keras.tree.flatten(made(images)) for made in (layer, anew)), strict=True):
        np.testing.assert_array_equal(*numpy(one, other))


@pytest.mark.parametrize(
    "wrong",
    [{"size": (8,)}, {"label": "class"}, {"label": "soft"}, {"sigma": 0.0}, {"flip": 2}, {"min_view": -1}],
    ids=str,
)
def test_wrong_arguments_are_named_with_what_came(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must .*Received"):
        RandomUprightRotation(**wrong)


@pytest.mark.parametrize("wrong", [{"blur": 1.5}, {"jpeg": -1}, {"jpeg_quality": (90, 50)}, {"size": (0, 8)}], ids=str)
def test_wrong_arguments_of_degradation_are_named_with_what_came(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must .*Received"):
        RandomDegradation(**wrong)
    with pytest.raises(TypeError):
        RandomDegradation(0.4, 0.25, 1)  # a seed is named


def test_degradation_blurs_and_adds_noise_to_some():
    edge = np.zeros((40, 16, 16, 3), np.float32)
    edge[:, :, 8:] = 200
    blurred = numpy(RandomDegradation(blur=0.5, noise=0.0, jpeg=0.0, seed=0)(edge))[0]
    soft = (np.abs(blurred - edge) > 0).any(axis=(1, 2, 3))
    assert 8 < soft.sum() < 32
    np.testing.assert_allclose(blurred.mean(axis=(1, 2, 3)), 100, atol=1)
    noisy = numpy(RandomDegradation(blur=0.0, noise=1.0, jpeg=0.0, seed=0)(edge + 20))[0] - edge - 20
    assert 1 < noisy.std() < 12 and abs(noisy.mean()) < 0.5
    np.testing.assert_array_equal(numpy(RandomDegradation(blur=0.0, noise=0.0, jpeg=0.0)(edge))[0], edge)


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
@pytest.mark.parametrize("size", [(96, 128), (91, 75)])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_jpeg_loses_is_what_a_jpeg_file_has_lost(quality, size, channels):
    picture = cv2.resize(read_image(PHOTOGRAPH), size[::-1], interpolation=cv2.INTER_AREA)[..., :channels]
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    file = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), options)[1]
    expected = read_image(file.tobytes())[..., :channels].astype(int)
    found = numpy(jpeg_round_trip(picture[np.newaxis], np.array([quality])))[0][0]
    lost = np.abs(expected - picture).mean()
    assert np.abs(found - expected).mean() < (0.4 if channels == 1 else 1.2) and lost > 1


def test_degradation_compresses_some_and_shrinks_all():
    pictures = rng.integers(0, 256, (40, 16, 16, 3)).astype(np.float32)
    layer = RandomDegradation(blur=0.0, noise=0.0, jpeg=0.5, jpeg_quality=(50, 50), seed=0)
    changed = (numpy(layer(pictures))[0] != pictures).any(axis=(1, 2, 3))
    assert 8 < changed.sum() < 32
    ramp = bright_above(48, 60)[np.newaxis]
    (small,) = numpy(RandomDegradation(blur=0.0, noise=0.0, jpeg=0.0, size=(24, 30))(ramp))
    means = ramp.reshape(24, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(small[0] - means)[2:-2, 2:-2].max() <= 1.5 and (small == small.round()).all()


def test_a_model_that_is_not_trained_sees_its_pictures_upright():
    images = rng.integers(0, 256, (3, 32, 32, 3), np.uint8)
    inputs = keras.Input((32, 32, 3))
    turned, labels = RandomUprightRotation(label="angle", seed=0)(inputs)
    model = keras.Model(inputs, [RandomDegradation(seed=0)(turned), labels])
    views, angles = model.predict(images, verbose=0)
    np.testing.assert_array_equal(views, images)
    np.testing.assert_array_equal(angles, 0)
    for asked in (model(images, training=True)[0], RandomUprightRotation(seed=0)(images, training=True)[0]):
        assert (numpy(asked)[0] != images).any()
    shown, _ = numpy(*RandomUprightRotation((16, 16))(np.stack([bright_above(40, 60)]), training=False))
    expected = warp_view(bright_above(40, 60), 0.0, (16, 16), view_size=(40, 40))
    assert np.abs(shown[0] - expected).max() <= 1


def trainer_of(network, **options):
    return RotationTrainer(
        network,
        RandomUprightRotation((20, 20), sigma=3.0, seed=0),
        degradation=RandomDegradation(size=(16, 16), seed=0),
        **options,
    )


def small_network():
    layers = [keras.Input((16, 16, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(360, "softmax")])


@pytest.mark.parametrize("kept", [False, True])
def test_a_trainer_predicts_what_it_was_given(kept):
    ramp, network = bright_above(40, 50), small_network()
    pictures = np.stack([np.rot90(ramp, 2) // part for part in (1, 2, 3)] + [ramp // part for part in (1, 2, 3)])
    trainer = trainer_of(network, pictures=pictures if kept else None)
    trainer.compile("sgd", "categorical_crossentropy", metrics=[angle_error])
    inputs = np.arange(6) if kept else pictures
    trainer.fit(inputs, validation_data=(inputs,), batch_size=4, verbose=0)
    square = np.stack([warp_view(one, 0.0, (16, 16), view_size=(40, 40)) for one in pictures])
    expected = network.predict(square.astype(np.float32), verbose=0)
    answers = trainer.predict(inputs, batch_size=4, verbose=0)
    assert answers.shape == (6, 360)
    np.testing.assert_allclose(answers, expected, atol=2e-3)
    np.testing.assert_array_equal(trainer.predict(inputs, batch_size=4, verbose=0), answers)
    np.testing.assert_allclose(numpy(trainer(inputs))[0], answers, atol=1e-5)
    assert trainer.evaluate(inputs, verbose=0) != trainer.evaluate(inputs, verbose=0)  # turned anew each time


@pytest.mark.parametrize("kept", [False, True])
def test_a_trainer_is_saved_without_its_pictures_and_answers_the_same(kept, tmp_path):
    pictures = rng.integers(0, 256, (4, 40, 50, 3), np.uint8)
    trainer = trainer_of(small_network(), pictures=pictures if kept else None)
    trainer.compile("adam", "categorical_crossentropy", metrics=[angle_error])
    inputs = np.arange(4) if kept else pictures
    trainer.fit(inputs, verbose=0)
    trainer.save(tmp_path / "trainer.keras")
    again = keras.models.load_model(tmp_path / "trainer.keras", safe_mode=True)
    assert again.pictures is None and again.rotation.get_config() == trainer.rotation.get_config()
    np.testing.assert_allclose(
        again.predict(pictures, verbose=0), trainer.predict(inputs, verbose=0), rtol=1e-5, atol=1e-7
    )
    again.fit(pictures, verbose=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="each backend draws numbers of its own")
def test_a_seed_gives_the_pictures_that_it_always_gave():
    y, x = np.mgrid[0:48, 0:60]
    picture = np.stack([4 * x, 5 * y, 120 + 100 * np.sin(x / 9) * np.cos(y / 7)], axis=-1).astype(np.uint8)
    layer = RandomUprightRotation((32, 32), label="angle", seed=7)
    turned, angles = numpy(*layer(np.stack([picture, picture, picture])))
    np.testing.assert_allclose(angles, [268.95, 170.14, 202.41], atol=0.01)
    quarters = [  # mean colours of each picture's four quarters
        [117.8, 208.9, 124.1], [116.7, 138.8, 123.3], [173.8, 207.6, 59.4], [172.8, 137.5, 195.8],
        [47.7, 150.1, 95.1], [119.9, 165.9, 119.5], [60.2, 59.8, 111.0], [132.5, 75.5, 136.7],
        [133.6, 148.2, 139.3], [179.9, 124.4, 189.8], [114.5, 90.4, 122.3], [160.8, 66.5, 144.7],
    ]  # fmt: skip
    np.testing.assert_allclose(turned.reshape(3, 2, 16, 2, 16, 3).mean(axis=(2, 4)).reshape(12, 3), quarters, atol=0.5)


# In its places --------------------------------------------------------------------------------------------------------


def test_in_tf_data():
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices(np.stack([bright_above()] * 10)).batch(4)
    turned, labels = zip(*dataset.map(RandomUprightRotation((24, 24), colour=0.0, seed=0)), strict=True)
    assert [batch.shape for batch in turned] == [(4, 24, 24, 3), (4, 24, 24, 3), (2, 24, 24, 3)]
    angles = np.concatenate([decode_angles(batch.numpy()) for batch in labels])
    found = measured_angles(np.concatenate([batch.numpy() for batch in turned]))
    assert angle_difference(angles, found).max() < 6


IN_FIT = """
import keras, numpy as np
from rotnet import RandomDegradation, RandomUprightRotation, RotationTrainer
from rotnet import angle_error

keras.utils.set_random_seed(0)
ramp = np.linspace(250, 20, 24).astype(np.uint8)[None, :, None, None]
upright = np.broadcast_to(ramp, (128, 24, 24, 1)).copy()

def error(pictures, epochs):
    layers = [keras.Input((12, 12, 1)), keras.layers.Rescaling(1 / 128, -1), keras.layers.Flatten()]
    network = keras.Sequential([*layers, keras.layers.Dense(360, "softmax")])
    rotation = RandomUprightRotation((12, 12), sigma=10.0, seed=0)
    degradation = RandomDegradation(seed=0)
    trainer = RotationTrainer(network, rotation, degradation=degradation, pictures=pictures)
    trainer.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=[angle_error])
    inputs = upright if pictures is None else np.arange(len(upright))
    trainer.fit(inputs, batch_size=32, epochs=epochs, verbose=0)
    return trainer.evaluate(inputs, verbose=0, return_dict=True)["angle_error"]

"""
IN_FULL = "print(keras.backend.backend(), error(None, 20) < 30, error(upright, 20) < 30)"
IN_SHORT = "print(keras.backend.backend(), error(None, 1) < 60, error(upright, 1) < 60)"


def test_fit_learns_from_upright_pictures_alone(capsys):
    exec(compile(IN_FIT + IN_FULL, "in_fit", "exec"), {})
    assert capsys.readouterr().out.split() == [keras.backend.backend(), "True", "True"]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(backend):
    pytest.importorskip(backend)
    settings = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", IN_FIT + IN_SHORT]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=settings)
    assert answer.stdout.split() == [backend, "True", "True"], answer.stderr
