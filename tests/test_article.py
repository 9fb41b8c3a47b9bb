"""What people bring from the original RotNet runs as it stands, apart from what Keras 3 itself has removed.

The snippets are written anew, at tiny sizes. `fit_generator` is `fit`, `hdf5` is `keras`.
"""

import inspect

import keras
import numpy as np
import pytest
from keras.applications.imagenet_utils import preprocess_input
from keras.applications.resnet50 import ResNet50
from keras.callbacks import EarlyStopping, ModelCheckpoint
from keras.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from keras.models import Model, load_model
from PIL import Image

from rotnet import (
    RotNetDataGenerator,
    angle_difference,
    angle_error,
    angle_error_regression,
    binarize_images,
    crop_around_center,
    crop_largest_rectangle,
    display_examples,
    generate_rotated_image,
    largest_rotated_rect,
    rotate,
)

DIGITS = np.zeros((12, 28, 28), np.uint8)
DIGITS[:, 4:24, 12:16] = 255
DIGITS[:, 4:8, 8:20] = np.linspace(120, 250, 12).astype(np.uint8)[:, None, None]


@pytest.fixture
def street(tmp_path):
    """Paths of a few street views: sky above, road below."""
    paths = []
    for number in range(4):
        view = np.full((48, 64, 3), (140, 180, 230), np.uint8)
        view[20 + number :] = 90
        paths.append(str(tmp_path / f"{number:06d}_1.jpg"))
        Image.fromarray(view).save(paths[-1])
    return paths


def test_signatures_are_those_of_the_article():
    def named(function, count):
        parameters = list(inspect.signature(function).parameters.values())[:count]
        return {one.name: one.default for one in parameters}

    required = inspect.Parameter.empty
    crops = {"crop_center": False, "crop_largest_rect": False}
    assert named(RotNetDataGenerator, 11) == {
        "input": required,
        "input_shape": None,
        "color_mode": "rgb",
        "batch_size": 64,
        "one_hot": True,
        "preprocess_func": None,
        "rotate": True,
        **crops,
        "shuffle": False,
        "seed": None,
    }
    assert named(generate_rotated_image, 5) == {"image": required, "angle": required, "size": None, **crops}
    assert named(display_examples, 8) == {
        "model": required,
        "images": required,
        "num_images": 5,
        "size": None,
        **crops,
        "preprocess_func": None,
        "save_path": None,
    }
    assert named(rotate, 3) == {"image": required, "angle": required, "resize": False}


def test_the_distance_between_angles():
    assert angle_difference(350, 10) == 20 and angle_difference(0, 180) == 180
    np.testing.assert_array_equal(angle_difference(np.array([0, 359]), np.array([1, 1])), [1, 2])


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1)])
def test_channels_follow_the_array(shape):
    generator = RotNetDataGenerator(DIGITS.reshape(-1, *shape), batch_size=5, preprocess_func=binarize_images)
    batch, labels = next(generator)
    assert batch.shape == (5, 28, 28, 1) and labels.shape == (5, 360)
    assert set(np.unique(batch)) == {0.0, 1.0} and (labels.sum(axis=1) == 1).all()
    sizes = [len(next(generator)[0]) for _ in range(4)]
    assert sizes == [5, 2, 5, 5]


def test_a_picture_keeps_its_canvas_when_it_is_turned():
    image = keras.utils.img_to_array(Image.fromarray(DIGITS[0]).convert("RGB"))
    predicted_angle = np.argmax(np.eye(360)[30])
    turned = rotate(image, -predicted_angle, resize=False, preserve_range=True)
    assert turned.shape == image.shape and turned.max() > 200
    np.testing.assert_array_equal(turned, rotate(image, -predicted_angle))
    assert rotate(image, 45, resize=True).shape == (40, 40, 3)
    kept = crop_largest_rectangle(turned, -predicted_angle, *image.shape[:2])
    width, height = largest_rotated_rect(28, 28, np.radians(30))
    assert height - 2 <= kept.shape[0] <= height and width - 2 <= kept.shape[1] <= width
    assert kept.astype("uint8").dtype == np.uint8
    assert crop_around_center(image, 10, 12).shape == (12, 10, 3)


@pytest.mark.parametrize("image", [DIGITS[0], DIGITS[0][..., None].astype("float32")], ids=["uint8", "float32"])
def test_an_example_is_made_of_an_image(image):
    assert generate_rotated_image(image, 40).shape == image.shape
    assert generate_rotated_image(image, 40, size=(20, 24)).shape[:2] == (20, 24)
    oblong = image[:, 4:]
    made = generate_rotated_image(oblong, 40, size=(16, 16), crop_center=True, crop_largest_rect=True)
    assert made.shape[:2] == (16, 16) and made.dtype == image.dtype


def digit_network(units, activation):
    """The shape of the article's network for digits, narrow."""
    input = Input(shape=(28, 28, 1))
    x = Conv2D(4, (3, 3), activation="relu")(input)
    x = Conv2D(4, (3, 3), activation="relu")(x)
    x = MaxPooling2D(pool_size=(2, 2))(x)
    x = Dropout(0.25)(x)
    x = Flatten()(x)
    x = Dense(16, activation="relu")(x)
    x = Dropout(0.25)(x)
    return Model(inputs=input, outputs=Dense(units, activation=activation)(x))


def test_the_script_for_digits(tmp_path):
    train = np.expand_dims(DIGITS, axis=3).astype("float32")
    model = digit_network(360, "softmax")
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=[angle_error])
    checkpointer = ModelCheckpoint(filepath=str(tmp_path / "rotnet_mnist.keras"), save_best_only=True)
    history = model.fit(
        RotNetDataGenerator(train, batch_size=8, preprocess_func=binarize_images, shuffle=True),
        epochs=2,
        validation_data=RotNetDataGenerator(train, batch_size=8, preprocess_func=binarize_images),
        callbacks=[checkpointer, EarlyStopping(patience=2)],
        verbose=0,
    )
    assert all(0 <= error <= 180 for error in history.history["val_angle_error"])
    best = load_model(tmp_path / "rotnet_mnist.keras", custom_objects={"angle_error": angle_error})
    score = best.evaluate(RotNetDataGenerator(train, batch_size=8, preprocess_func=binarize_images), verbose=0)
    assert len(score) == 2 and 0 <= score[1] <= 180
    figure = display_examples(
        best, train, num_images=2, preprocess_func=binarize_images, save_path=tmp_path / "examples.png"
    )
    assert len(figure.axes) == 6 and (tmp_path / "examples.png").stat().st_size > 1000


def test_the_regression_of_digits():
    def stream(**options):
        return RotNetDataGenerator(
            DIGITS, batch_size=8, one_hot=False, preprocess_func=binarize_images, seed=0, **options
        )

    batch, turns = next(stream())
    assert batch.shape == (8, 28, 28, 1) and turns.shape == (8,) and turns.min() >= 0 and 0.5 < turns.max() < 1
    model = digit_network(1, "sigmoid")
    model.compile(loss=angle_error_regression, optimizer="adam")
    history = model.fit(stream(shuffle=True), epochs=1, validation_data=stream(), verbose=0)
    assert 0 <= history.history["val_loss"][0] <= 180


def test_the_script_for_street_views(street, tmp_path):
    input_shape = (32, 32, 3)
    base_model = ResNet50(weights=None, include_top=False, input_shape=input_shape)
    x = Flatten()(base_model.output)
    final_output = Dense(360, activation="softmax", name="fc360")(x)
    model = Model(inputs=base_model.input, outputs=final_output)
    # run_eagerly is the test's: making a graph of ResNet50 takes far longer than the two steps
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=[angle_error], run_eagerly=True)

    def stream(**options):
        return RotNetDataGenerator(
            street,
            input_shape=input_shape,
            batch_size=2,
            preprocess_func=preprocess_input,
            crop_center=True,
            crop_largest_rect=True,
            **options,
        )

    history = model.fit(stream(shuffle=True), epochs=1, steps_per_epoch=1, verbose=0)
    assert 0 <= history.history["angle_error"][0] <= 180
    predictions = model.predict(stream(rotate=False), verbose=0)
    assert predictions.shape == (4, 360)
    for path, predicted_angle in zip(street, np.argmax(predictions, axis=1), strict=True):
        image = keras.utils.img_to_array(keras.utils.load_img(path))
        image = rotate(image, -predicted_angle, resize=False, preserve_range=True)
        image = crop_largest_rectangle(image, -predicted_angle, *image.shape[:2])
        Image.fromarray(image.astype("uint8")).save(tmp_path / "upright.png")
    figure = display_examples(
        model,
        street,
        num_images=3,
        size=input_shape[:2],
        crop_center=True,
        crop_largest_rect=True,
        preprocess_func=preprocess_input,
    )
    assert len(figure.axes) == 9
