"""Classes instead of angles: streams, teaching in two stages, saving, and what is drawn."""

import json

import keras
import numpy as np
import pytest

from rotnet.datasets import Labelled
from rotnet.datasets.augmentation import Augmentation
from rotnet.datasets.street_view import StreetViewAugmentation
from rotnet.errors import ImageError, TrainingError, UsageError, WeightsError
from rotnet.evaluation.classification_plots import plot_confusion, plot_predictions
from rotnet.evaluation.classification_scores import classification_report
from rotnet.evaluation.figures import plot_learning_curves
from rotnet.models import backbone_of, build_classifier
from rotnet.training.classification import (
    ImageClassifier,
    LabelledBatches,
    Tilted,
    UprightBatches,
    fit_classifier,
)
from rotnet.training.metrics import BinaryAUC

SHAPE = (24, 24, 3)


def shades(count=24, size=(30, 40)):
    """Pictures of two classes, dark and light, each of a level of its own."""
    labels = np.arange(count) % 2
    levels = 40 + 120 * labels + np.arange(count)
    return Labelled(
        np.broadcast_to(levels[:, None, None, None], (count, *size, 3)).astype(np.uint8), labels, ("a", "b")
    )


def skies(count=12, size=(40, 40)):
    """Upright pictures, brighter above."""
    slope = np.linspace(1, 0, size[0])[None, :, None, None] * np.linspace(120, 250, count)[:, None, None, None]
    return np.broadcast_to(slope, (count, *size, 3)).astype(np.uint8)


def test_labels_follow_their_pictures_through_the_shuffle():
    data = shades()
    batches = LabelledBatches(data, SHAPE, batch_size=5, shuffle=True, seed=3)
    orders = []
    for _ in range(2):
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        levels = images[:, 0, 0, 0].astype(int)
        assert labels.tolist() == [int(data.labels[data.images[:, 0, 0, 0] == level][0]) for level in levels]
        assert sorted(levels) == sorted(data.images[:, 0, 0, 0])
        orders.append(levels.tolist())
        batches.on_epoch_end()
    assert orders[0] != orders[1]


def test_tilting_stays_within_its_bounds(monkeypatch):
    angles = []
    monkeypatch.setattr(Augmentation, "__call__", lambda self, image, angle, size, rng: angles.append(angle))
    rng = np.random.default_rng(0)
    for _ in range(100):
        Tilted(tilt=7.0)(None, 90.0, (8, 8), rng)
    assert 83 <= min(angles) < 85 and 95 < max(angles) <= 97


def test_an_icon_at_the_upper_left_tells_nothing():
    """Both halves of a batch are varied by what is given, whatever kind of augmentation it is."""
    icon = np.zeros((8, 60, 90, 3), np.uint8)
    icon[:, :12, :12] = 255
    batches = UprightBatches(icon, SHAPE, batch_size=8, augmentation=StreetViewAugmentation(), seed=1)
    images, labels = batches[0]
    assert (labels == 0).sum() >= 4 and images.max() < 60


@pytest.mark.parametrize("batch_size", [0, 1, 7])
def test_a_batch_has_two_halves(batch_size):
    with pytest.raises(ValueError, match="even"):
        UprightBatches(skies(), SHAPE, batch_size=batch_size)


def test_labelled_batches_have_no_angles_to_make_a_dataset_of():
    with pytest.raises(UsageError, match="is for angles"):
        LabelledBatches(shades(), SHAPE).to_tf_dataset()


def test_half_of_a_batch_is_upright():
    batches = UprightBatches(skies(), SHAPE, batch_size=8, tolerance=30.0, seed=1)
    assert len(batches) == 3
    for images, labels in (batches[index] for index in range(3)):
        assert images.shape == (8, *SHAPE) and images.dtype == np.float32 and labels[:4].tolist() == [0] * 4
        brighter_above = images[:, :12].mean(axis=(1, 2, 3)) - images[:, 12:].mean(axis=(1, 2, 3))
        assert (brighter_above[labels == 0] > 0).all()
    labels = np.concatenate([batches[index][1] for index in range(3)])
    assert 6 <= labels.sum() <= 12  # a turn within the tolerance is upright
    before = batches[0][0]
    batches.on_epoch_end()
    assert (batches[0][0] != before).any()


def test_two_stages_teach_the_head_and_then_all(tmp_path):
    data = shades()
    train = LabelledBatches(data, SHAPE, batch_size=8, shuffle=True, seed=0)
    val = LabelledBatches(data, SHAPE, batch_size=8, same_every_epoch=True, seed=0)
    keras.utils.set_random_seed(0)
    model = build_classifier("small_cnn", 2, input_shape=SHAPE, weights=None, dropout=0.0)
    before = [keras.ops.convert_to_numpy(x).copy() for x in backbone_of(model).weights]
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            now = [keras.ops.convert_to_numpy(x) for x in backbone_of(self.model).weights]
            seen.append(any((old != new).any() for old, new in zip(before, now, strict=True)))

    with pytest.MonkeyPatch.context() as patch:
        fit = keras.Model.fit
        patch.setattr(
            keras.Model, "fit", lambda self, *a, callbacks, **k: fit(self, *a, callbacks=[*callbacks, Watch()], **k)
        )
        options = {"frozen_epochs": 2, "epochs": 3, "fine_tuning_rate": 1e-3, "verbose": 0}
        fit_classifier(model, train, val, tmp_path, metrics=["accuracy", BinaryAUC()], monitor="val_auc", **options)
    assert seen == [False, False, True, True, True]
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "2", "3", "4"]
    assert len(plot_learning_curves(tmp_path / "log.csv").axes) == 4
    column = rows[0].split(",").index("val_auc")
    best = max(float(row.split(",")[column]) for row in rows[1:])
    answers = model.predict(val, verbose=0)[:, 1]
    metric = BinaryAUC()
    metric.update_state(np.concatenate([labels for _, labels in val]), np.stack([1 - answers, answers], axis=1))
    assert float(metric.result()) == pytest.approx(best, abs=1e-3)


def test_a_stage_ends_when_nothing_gets_better(tmp_path):
    data = shades(8)
    batches = LabelledBatches(data, SHAPE, batch_size=8, same_every_epoch=True, seed=0)
    model = build_classifier("small_cnn", 2, input_shape=SHAPE, weights=None)
    fit_classifier(
        model, batches, batches, tmp_path, frozen_epochs=0, epochs=9, learning_rate=0.0, patience=2, verbose=0
    )
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 3


def test_a_classifier_whose_loss_is_no_number_is_no_classifier(tmp_path):
    batches = LabelledBatches(shades(8), SHAPE, batch_size=8, same_every_epoch=True, seed=0)
    model = build_classifier("small_cnn", 2, input_shape=SHAPE, weights=None)
    with pytest.raises(TrainingError, match="no longer a number"):
        fit_classifier(
            model, batches, batches, tmp_path, frozen_epochs=0, epochs=2, learning_rate=float("nan"), verbose=0
        )


@pytest.mark.parametrize("epochs", [(0, 0), (-1, 3)])
def test_a_training_without_epochs_is_refused(epochs, tmp_path):
    with pytest.raises(UsageError, match=f"one of them at least 1. Received: frozen_epochs={epochs[0]}"):
        fit_classifier(None, None, None, tmp_path, frozen_epochs=epochs[0], epochs=epochs[1])


def test_a_saved_classifier_answers_the_same(tmp_path):
    keras.utils.set_random_seed(1)
    classifier = ImageClassifier(build_classifier("small_cnn", 3, input_shape=SHAPE, weights=None), ("ä", "b", "c"))
    again = ImageClassifier.load(classifier.save(tmp_path / "new"))
    assert again.classes == ("ä", "b", "c")
    images = list(skies(2))
    np.testing.assert_allclose(again.probabilities(images), classifier.probabilities(images), atol=1e-6)
    name, probability = again.predict(images[0])
    row = classifier.probabilities(images)[0]
    assert name == again.classes[row.argmax()] and probability == pytest.approx(row.max(), abs=1e-6)


def test_a_classifier_answers_for_each_picture_in_order_and_says_which_are_broken(tmp_path):
    keras.utils.set_random_seed(1)
    classifier = ImageClassifier(build_classifier("small_cnn", 2, input_shape=SHAPE, weights=None), ("a", "b"))
    images = list(np.random.default_rng(0).integers(0, 256, (20, 30, 40, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    asked = [tmp_path / "broken.png", *images[:18], tmp_path / "missing.png", *images[18:]]
    answers = list(classifier.predict_each(asked))
    assert [number for number, answer in enumerate(answers) if isinstance(answer, ImageError)] == [0, 19]
    assert "broken.png" in str(answers[0]) and "missing.png" in str(answers[19])
    expected = classifier.probabilities(images)
    got = [answer for answer in answers if not isinstance(answer, ImageError)]
    assert [name for name, _ in got] == ["ab"[row.argmax()] for row in expected]
    assert len({round(probability, 4) for _, probability in got}) > 10
    np.testing.assert_allclose([probability for _, probability in got], expected.max(axis=1), atol=1e-5)
    assert list(classifier.predict_each([])) == []
    with pytest.raises(UsageError, match="at least one picture"):
        classifier.probabilities([])


def test_a_seed_may_be_drawn():
    assert UprightBatches(skies(), SHAPE, batch_size=8, seed=None)[0][0].shape == (8, *SHAPE)


def test_a_folder_that_holds_no_classifier(tmp_path):
    other = tmp_path / "other"
    ImageClassifier(build_classifier("small_cnn", 3, input_shape=SHAPE, weights=None), ("a", "b")).save(other)
    (tmp_path / "model.keras").write_bytes(b"no model")
    damaged = tmp_path / "damaged"
    ImageClassifier(build_classifier("small_cnn", 2, input_shape=SHAPE, weights=None), ("a", "b")).save(damaged)
    whole = bytearray((damaged / "model.keras").read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    (damaged / "model.keras").write_bytes(whole)
    for folder in (tmp_path, tmp_path / "missing", other, damaged):
        with pytest.raises(WeightsError, match="must hold model.keras and classes.json"):
            ImageClassifier.load(folder)


def test_the_report_counts_right():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    report = classification_report(np.array([0, 0, 0, 1]), probabilities, ("cat", "dog"))
    assert report["confusion"] == [[2, 1], [0, 1]]
    assert report["cat"]["precision"] == 1 and report["cat"]["recall"] == pytest.approx(2 / 3)
    assert report["accuracy"] == 0.75 and report["auc"] == pytest.approx(2 / 3)
    assert json.loads(json.dumps(report)) == report
    with pytest.raises(UsageError, match="at least one picture"):
        classification_report(np.array([], int), probabilities[:0], ("cat", "dog"))


def test_wrong_answers_are_red():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    figure = plot_predictions(skies(3), probabilities, ("cat", "dog"), truth=[0, 1, 1], columns=2)
    titles = [axis.title for axis in figure.axes]
    assert [title.get_text() for title in titles] == ["cat 0.90", "cat 0.80\nis dog", "dog 0.70", ""]
    assert len({title.get_color() for title in titles[:3:2]}) == 1 and titles[1].get_color() != titles[0].get_color()
    with pytest.raises(UsageError, match="an answer each"):
        plot_predictions(skies(2), probabilities, ("cat", "dog"))


def test_the_confusion_shows_every_count():
    figure = plot_confusion([[5, 1], [0, 7]], ("cat", "dog"))
    assert [text.get_text() for text in figure.axes[0].texts] == ["5", "1", "0", "7"]
    with pytest.raises(UsageError, match="square of 3"):
        plot_confusion([[5, 1], [0, 7]], ("cat", "dog", "owl"))
