"""Figures hold what they say, belong to the caller, and leave pyplot alone."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import rotnet
from rotnet import AnglePrediction, display_examples, encode_angles
from rotnet.errors import MissingExtraError, OutputError, UsageError
from rotnet.evaluation import evaluate, evaluate_views, figures, plots
from rotnet.geometry.angles import shown_angle
from rotnet.geometry.lines import level_from_lines
from rotnet.inference.predictor import Predictor

pytest.importorskip("matplotlib")


class Compass:
    """Stands in for a Keras model: answers with the direction of the light, as `bright_above` is made."""

    input_shape = (None, 32, 32, 3)

    def predict_on_batch(self, batch):
        y, x = np.mgrid[0:32, 0:32] - 15.5
        light = batch.mean(axis=3) * (np.hypot(x, y) < 15)
        return encode_angles(np.degrees(np.arctan2(-(light * x).sum((1, 2)), -(light * y).sum((1, 2)))), sigma=2.0)


def bright_above(count):
    ramp = np.linspace(250, 20, 60).astype(np.uint8)
    return np.broadcast_to(ramp[:, None, None], (count, 60, 80, 3))


def titles(figure):
    return [axis.get_title(loc) for axis in figure.axes for loc in ("center", "left") if axis.get_title(loc)]


@pytest.mark.parametrize("crop", [False, True])
def test_examples_show_the_original_the_turned_and_the_corrected(crop):
    figure = display_examples(Compass(), bright_above(6), 4, crop_center=crop, crop_largest_rect=crop, seed=1)
    assert len(figure.axes) == 12
    captions = titles(figure)
    assert captions[:4] == ["original"] * 4
    for turned, corrected in zip(captions[4:8], captions[8:], strict=True):
        true, answer, error = (float(text.rpartition(" ")[2][:-1]) for text in (turned, *corrected.split("\n")))
        assert error < 3 and min(abs(true - answer), 360 - abs(true - answer)) == pytest.approx(error, abs=0.2)
    pictures = [axis.get_images()[0].get_array() for axis in figure.axes]
    for original, turned, corrected in zip(pictures[:4], pictures[4:8], pictures[8:], strict=True):
        assert original.shape == turned.shape == (32, 32, 3)
        half = corrected.shape[0] // 2
        assert corrected[:half].mean() > corrected[half:].mean() + 20


def test_examples_are_drawn_by_the_seed():
    pictures = np.random.default_rng(0).integers(0, 256, (8, 40, 40), np.uint8)
    assert titles(display_examples(Compass(), pictures, 2, seed=5)) == titles(
        display_examples(Compass(), pictures, 2, seed=5)
    )
    assert titles(display_examples(Compass(), pictures, 2, seed=5)) != titles(
        display_examples(Compass(), pictures, 2, seed=6)
    )


def test_examples_from_paths_are_saved(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path in paths:
        Image.fromarray(bright_above(1)[0]).save(path)
    figure = display_examples(Compass(), paths, num_images=5, size=(20, 30), save_path=tmp_path / "examples.png")
    assert len(figure.axes) == 6 and figure.axes[0].get_images()[0].get_array().shape == (20, 30, 3)
    with Image.open(tmp_path / "examples.png") as saved:
        assert saved.format == "PNG" and np.asarray(saved.convert("L")).std() > 10
    with pytest.raises(OutputError):
        display_examples(Compass(), paths, save_path=tmp_path / "missing" / "examples.png")


def test_preprocessing_outside_the_model():
    def preprocess(batch):
        seen.append(batch.shape[1:])
        return batch

    seen = []
    display_examples(Compass(), bright_above(1), preprocess_func=preprocess)
    assert set(seen) == {(32, 32, 3)}


@pytest.mark.parametrize(("images", "count"), [([], 5), (bright_above(1), 0)], ids=["none", "zero"])
def test_examples_of_nothing(images, count):
    with pytest.raises(UsageError, match="images must hold at least one picture"):
        display_examples(Compass(), images, count)


def test_learning_curves_pair_training_and_validation(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,angle_error,learning_rate,loss,val_angle_error,val_loss\n0,80,0.1,5,85,5.5\n1,40,0.05,3,,4\n")
    figure = figures.plot_learning_curves(log)
    assert titles(figure) == ["angle error (degrees)", "learning rate", "loss"]
    assert [len(axis.get_lines()) for axis in figure.axes] == [2, 1, 2]
    np.testing.assert_array_equal(figure.axes[0].get_lines()[0].get_xydata(), [[1, 80], [2, 40]])
    np.testing.assert_array_equal(figure.axes[2].get_lines()[1].get_xydata(), [[1, 5.5], [2, 4]])
    figure.savefig(tmp_path / "curves.png")


@pytest.mark.parametrize(
    "text", [None, "", "epoch,loss\n", "epoch,loss\n1,low\n", "epoch\n1\n", "step,loss\n1,2\n"], ids=repr
)
def test_a_file_that_is_no_log_is_named(text, tmp_path):
    if text is not None:
        (tmp_path / "log.csv").write_text(text)
    with pytest.raises(UsageError, match=r"log\.csv "):
        figures.plot_learning_curves(tmp_path / "log.csv")


def test_the_histogram_counts_every_error(tmp_path):
    figure = figures.plot_error_histogram([0, 1, 2, 5, 100, 180], bin_width=10)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert len(heights) == 18 and heights[0] == 4 and heights[10] == heights[17] == 1 and sum(heights) == 6
    assert titles(figure) == ["6 pictures, 33.3 % over 90°"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["mean 48.0°", "median 3.5°"]
    figure.savefig(tmp_path / "errors.png")


@pytest.mark.parametrize("errors", [[], [-1.0], [181.0], [float("nan")]], ids=str)
def test_errors_out_of_range(errors):
    with pytest.raises(UsageError, match="errors must hold at least one number"):
        figures.plot_error_histogram(errors)
    with pytest.raises(UsageError, match="bin_width must be in"):
        figures.plot_error_histogram([1.0], bin_width=0)


def test_the_dial_points_to_the_answer(tmp_path):
    figure = figures.prediction_dial(AnglePrediction(30.25, 0.875, encode_angles(30.25, sigma=3.0)))
    outline, answer = figure.axes[0].get_lines()
    assert np.degrees(outline.get_xdata()[outline.get_ydata().argmax()]) == pytest.approx(30)
    np.testing.assert_allclose(np.degrees(answer.get_xdata()), 30.25)
    assert figure.axes[0].get_theta_offset() == pytest.approx(np.pi / 2) and figure.axes[0].get_theta_direction() == 1
    assert titles(figure) == ["30.2°, confidence 0.88"]
    figure.savefig(tmp_path / "dial.png")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rotnet\[train\]'"):
        figures.plot_error_histogram([1.0])


def test_pyplot_is_left_alone_and_keras_is_not_needed():
    code = (
        "import sys\nfrom rotnet.evaluation import figures\nprint('matplotlib' in sys.modules)\n"
        "figures.plot_error_histogram([1.0, 2.0])\n"
        "print({'matplotlib', 'matplotlib.pyplot', 'keras', 'tensorflow'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["False", "{'matplotlib'}"]


# Measurements ---------------------------------------------------------------------------------------------------------


def measured(count=40, **options):
    return evaluate(bright_above(count), model=Predictor(Compass()), **options)


def test_reliability_has_a_point_for_each_bin_and_the_diagonal():
    confidence = np.linspace(0.01, 0.99, 200)
    figure = plots.plot_reliability(confidence, np.random.default_rng(0).random(200) < confidence, bins=8)
    axis, below = figure.axes
    assert [len(line.get_xdata()) for line in axis.lines[:2]] == [2, 8]
    assert sum(bar.get_height() for bar in below.patches) == 200
    assert titles(figure)[0].startswith("calibration error 0.0")


def test_risk_ends_at_the_share_of_all_wrong_answers():
    errors = np.array([1.0, 7.0, 2.0, 60.0])
    axis = plots.plot_risk_coverage([0.9, 0.8, 0.7, 0.1], errors).axes[0]
    five, ten = (line.get_ydata() for line in axis.lines)
    assert five.tolist() == pytest.approx([0, 50, 100 / 3, 50]) and ten.tolist() == [0, 0, 0, 25]
    assert axis.lines[0].get_xdata().tolist() == [25, 50, 75, 100]


def test_quadrants_are_counted_in_the_figure():
    figure = plots.plot_quadrants([0, 90, 91, 180, 270], [1, 90, 270, 181, 268])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) == 16
    assert [texts[0], texts[5], texts[7]] == ["1\n100 %", "1\n50 %", "1\n50 %"]
    assert titles(figure) == ["right quarter turn 80.0 %"]


def test_curve_by_angle_leaves_gaps_where_nothing_was_measured():
    axis = plots.plot_angle_curve([0.0, 90.0], [2.0, 94.0], parts=4).axes[0]
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), [2.0, 4.0, np.nan, np.nan])
    assert axis.lines[0].get_xdata().tolist() == [0, 90, 180, 270]


@pytest.mark.parametrize("count", [1, 7])
def test_worst_pictures_come_first(count):
    found = evaluate(bright_above(9), model=lambda image: 0.0, seed=2)
    figure = plots.show_worst(found, count=count)
    captions = titles(figure)
    assert len(captions) == count and len(figure.axes) == 6 * -(-count // 6)
    assert captions[0] == f"{shown_angle(found.truth[found.errors.argmax()])}, answer 0.0°"


def test_worst_pictures_are_those_that_the_model_was_sure_of():
    found = measured(8, angle_range=(-20, 20))
    captions = titles(plots.show_worst(found, count=2))
    assert all("sure" in caption for caption in captions)
    weight = found.errors * found.confidence
    assert captions[0].startswith(f"{shown_angle(found.truth[weight.argmax()])}, ")


def test_pictures_that_are_not_known_cannot_be_shown():
    unknown = evaluate_views(Predictor(Compass()), bright_above(2), np.zeros(2))
    with pytest.raises(UsageError, match=r"rotnet\.evaluate"):
        plots.show_worst(unknown)


def test_the_lines_that_are_believed_are_drawn_over_the_picture():
    posts = np.where(np.arange(400) % 40 < 20, 40, 220).astype(np.uint8)
    picture = rotnet.generate_rotated_image(np.tile(posts, (300, 1)), 4.0, crop_center=False, crop_largest_rect=True)
    answer = AnglePrediction(3.0, 1.0, np.full(360, 1 / 360, np.float32))
    level = level_from_lines(picture, up=3.0)
    assert level is not None
    before, after = plots.plot_level(picture, replace(answer, level=level)).axes
    assert len(before.lines) == len(level.segments) and "with lines" in before.get_title("left")
    assert len(after.lines) == 14
    before, _ = plots.plot_level(picture, answer).axes
    assert not before.lines and before.get_title("left") == "3.0° says the network"
