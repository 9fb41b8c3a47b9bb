"""`rotnet train` as a newcomer meets it: small pictures, small networks."""

import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from rotnet.cli.main import main
from rotnet.cli.quiet import quiet_frameworks
from rotnet.cli.train_summary import classes_summary, photos_summary
from rotnet.images.writing import write

keras = pytest.importorskip("keras")
SMALL = ["--backbone", "small_cnn", "--stages", "32:1:1e-3"]


def slopes(folder, number, seed=0):
    """Upright pictures, each brighter at the top than at the bottom."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name in range(number):
        slope = np.linspace(1, 0, 40)[:, None, None] * rng.uniform(100, 255, 3)
        write(np.broadcast_to(slope, (40, 56, 3)).astype(np.uint8), folder / f"{name}.png")
    return folder


def photos(folder):
    """As few as are taken, divided by folders."""
    slopes(folder / "train", 32)
    slopes(folder / "val", 5, seed=1)


def shapes(path):
    with Image.open(path) as picture:
        return picture.size


def test_photos_end_with_a_model_and_with_words(folder, capfd, monkeypatch):
    from rotnet.training import recipes

    steps = []

    class Bar(recipes.tqdm):
        def __init__(self, *, total, **options):
            super().__init__(total=total, **options)
            steps.append(total)

        def update(self, n=1):
            steps.append(n)

    monkeypatch.setattr(recipes, "tqdm", Bar)
    photos(folder / "upright")
    status = main(["train", "photos", "upright", *SMALL, "-o", "runs/mine"])
    out, err = capfd.readouterr()
    report = json.loads((folder / "runs/mine/metrics.json").read_text())
    assert status == (3 if report["guessing"] else 0)
    assert set(report["beside"]) == {"photo"} and report["beside"]["photo"]["pictures"] == report["files"]["pictures"]
    first, epoch, *_ = out.splitlines()
    assert first == "32 pictures to learn from, 5 held out to measure on."
    assert epoch.startswith("epoch 1 of 1: off by ") and "on held-out pictures" in epoch
    assert "The model is ready: runs/mine/model.onnx" in out and "{" not in out
    assert steps[0] == sum(steps[1:]) > 0  # the bar runs to its end
    assert err == ""
    for name in ("learning-curves", "examples", "worst"):
        assert min(shapes(folder / "runs/mine" / f"{name}.png")) > 200
    # the same command again: nothing is taught anew, and programs read the report from standard output
    assert main(["train", "photos", "upright", *SMALL, "-o", "runs/mine", "--json"]) == status
    out, err = capfd.readouterr()
    assert json.loads(out)["files"] == report["files"] and "epoch 1" not in err and "The model is ready" in err


def test_a_model_is_gone_on_from_with_all_that_it_knows(folder, capfd, monkeypatch):
    from rotnet.models import build_model, load_rotation_model
    from rotnet.models.export import export_onnx
    from rotnet.training import recipes

    def teach_and_stop(*args, teach=recipes.train_photos, **options):
        teach(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "train_photos", teach_and_stop)
    photos(folder / "upright")
    keras.utils.set_random_seed(3)
    begun = export_onnx(build_model("small_cnn", input_shape=(32, 32, 3)), folder / "begun.onnx")
    gently = ["train", "photos", "upright", "--from", "begun.onnx", "--stages", "32:1:1e-12"]
    assert main([*gently, "-o", "runs/a"]) == 130
    before, after = load_rotation_model(begun), keras.models.load_model("runs/a/stage1/best.keras", compile=False)
    assert after.name == "rotnet_small_cnn"
    for one, other in zip(before.get_weights(), after.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    capfd.readouterr()
    assert main([*gently, "--backbone", "resnet50", "-o", "runs/b"]) == 2
    assert "begun.onnx is a model of the backbone small_cnn" in capfd.readouterr().err


def test_too_few_pictures_are_refused_with_a_sentence(folder, capfd):
    slopes(folder / "few", 12)
    assert main(["train", "photos", "few", *SMALL]) == 2
    err = capfd.readouterr().err
    assert err.startswith("rotnet: few must hold at least 32 pictures to learn from") and err.count("\n") == 1
    assert not (folder / "runs").exists()


def test_pictures_that_cannot_be_read_are_refused_with_a_sentence(folder, capfd):
    (folder / "broken").mkdir()
    for number in range(60):
        (folder / "broken" / f"{number}.jpg").write_bytes(b"no picture")
    assert main(["train", "photos", "broken", *SMALL]) == 2
    assert "broken must hold pictures that can be read" in capfd.readouterr().err


@pytest.mark.parametrize(
    "kind, words", [("photos", "goes on from there"), ("upright", "begins anew"), ("classifier", "begins anew")]
)
def test_a_training_that_is_stopped_says_how_to_go_on(folder, monkeypatch, capfd, kind, words):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    slopes(folder / "in" / "one", 40)
    slopes(folder / "in" / "two", 40)
    monkeypatch.setattr(keras.Model, "fit", interrupted)
    options = SMALL if kind == "photos" else ["--backbone", "small_cnn", "--size", "32"]
    assert main(["train", kind, "in", *options, "-o", "run"]) == 130
    assert capfd.readouterr().err.endswith(f"{words}.\n")


def test_classes_are_taught_asked_and_drawn(folder, capfd):
    for name, color in (("red", (250, 20, 20)), ("blue", (20, 20, 250))):
        (folder / "sorted" / name).mkdir(parents=True)
        for number in range(60):
            write(np.full((24, 24, 3), color, np.uint8), folder / "sorted" / name / f"{number}.png")
    command = ["train", "classifier", "sorted", "--backbone", "small_cnn", "--size", "16"]
    assert main([*command, "--frozen-epochs", "2", "--epochs", "6", "-o", "runs"]) == 0
    out, err = capfd.readouterr()
    assert (
        "small_cnn: 100% of the held-out pictures right" in out and "rotnet classify PATH --model runs/small_cnn" in out
    )
    assert err == ""
    assert not (folder / "runs/small_cnn/misclassified.png").exists()
    for name in ("learning-curves", "confusion", "class-counts"):
        assert min(shapes(folder / "runs/small_cnn" / f"{name}.png")) > 200
    (folder / "broken.png").write_bytes(b"no picture")
    assert main(["classify", "sorted/red", "broken.png", "--model", "runs/small_cnn"]) == 1
    out, err = capfd.readouterr()
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["red"] * 60
    assert "broken.png" in err and err.count("\n") == 1


def test_misclassified_pictures_are_drawn_from_all_classes_in_turn(folder, monkeypatch):
    from rotnet.datasets import Labelled
    from rotnet.training import class_recipes

    truth = np.array([0] * 6 + [1] * 3 + [2] * 2)
    answers = np.tile([0.1, 0.8, 0.1], (11, 1))
    assert class_recipes._misclassified(truth, answers, count=5).tolist() == [0, 9, 1, 10, 2]
    # each drawn picture with the answer to it, none else
    drawn = {}
    monkeypatch.setattr(
        class_recipes, "plot_predictions", lambda images, *_, **known: drawn.update(known, images=images)
    )
    monkeypatch.setattr(class_recipes, "save_figure", lambda draw, path: draw())
    levels = 20 * np.arange(11)
    test = Labelled(np.tile(levels[:, None, None, None], (1, 20, 30, 3)).astype(np.uint8), truth, ("a", "b", "c"))
    class_recipes._draw_misclassified(test, truth, answers, 16, folder / "wrong.png")
    assert drawn["images"].shape == (8, 16, 16, 3) and drawn["truth"].tolist() == [0, 2, 0, 2, 0, 0, 0, 0]
    assert drawn["images"][:, 0, 0, 0].tolist() == [0, 180, 20, 200, 40, 60, 80, 100]
    # of an earlier run, which made mistakes
    (folder / "wrong.png").write_bytes(b"")
    class_recipes._draw_misclassified(test, truth, np.eye(3)[truth], 16, folder / "wrong.png")
    assert not (folder / "wrong.png").exists()


def test_held_out_pictures_are_answered_for_once(tmp_path, monkeypatch):
    from rotnet.training import class_recipes, classification

    for name, shade in (("dark", 40), ("light", 200)):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(20):
            write(np.full((20, 20, 3), shade + number, np.uint8), tmp_path / "in" / name / f"{number}.png")
    asked = []
    ask = classification.probabilities_of
    monkeypatch.setattr(
        classification, "probabilities_of", lambda model, images: asked.append(len(images)) or ask(model, images)
    )
    quick = {"backbone": "small_cnn", "size": 16, "frozen_epochs": 0, "epochs": 1, "workers": 1}
    # nothing is learned, so that there are mistakes to draw
    monkeypatch.setattr(keras.optimizers, "Adam", lambda rate: keras.optimizers.SGD(0.0))
    class_recipes.run_classifier(tmp_path / "in", tmp_path / "run", **quick)
    assert (tmp_path / "run/misclassified.png").exists() and asked == [4]


def test_a_backbone_whose_weights_cannot_be_had_is_left_out_of_a_comparison(folder, monkeypatch, capfd):
    from rotnet.errors import WeightsError
    from rotnet.training import class_recipes

    def run(folder, output, *, backbone, **options):
        if backbone == "resnet50":
            raise WeightsError("The ImageNet weights of resnet50 could not be downloaded.")
        return {"accuracy": 0.9, "guessing": False}

    monkeypatch.setattr(class_recipes, "run_classifier", run)
    assert main(["train", "classifier", "in", "--backbone", "resnet50", "small_cnn", "--json"]) == 0
    out, err = capfd.readouterr()
    assert set(json.loads(out)) == {"small_cnn"}
    assert "rotnet: resnet50 is left out: The ImageNet weights" in err
    assert main(["train", "classifier", "in", "--backbone", "resnet50"]) == 1


SORTED = ["--backbone", "small_cnn", "--size", "16", "--frozen-epochs", "1", "--epochs", "1"]
KINDS = {"photos": SMALL, "classifier": SORTED, "upright": SORTED}


def all_files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output", ["in", "in/run", "in/../in/one/deep"])
def test_no_run_comes_to_lie_among_the_pictures(folder, capfd, kind, output):
    slopes(folder / "in" / "one", 40)
    slopes(folder / "in" / "two", 40)
    before = all_files(folder)
    assert main(["train", kind, "in", *KINDS[kind], "-o", output]) == 2
    assert "among the pictures in in: choose another OUT" in capfd.readouterr().err
    assert all_files(folder) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_leaves_the_files_of_others_alone(folder, monkeypatch, capfd, kind):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    slopes(folder / "in" / "one", 40)
    slopes(folder / "in" / "two", 40)
    place = folder / "out" / "small_cnn" if kind == "classifier" else folder / "out"
    place.mkdir(parents=True)
    (place / "worst.png").write_bytes(b"of somebody")
    command = ["train", kind, "in", *KINDS[kind], "-o", "out"]
    assert main(command) == 2
    assert "holds other files: choose a folder that is new, empty or of an earlier run" in capfd.readouterr().err
    assert [*all_files(place)] == [place / "worst.png"]
    (place / "worst.png").unlink()
    with monkeypatch.context() as stopped:
        stopped.setattr(keras.Model, "fit", interrupted)
        assert main(command) == 130
    assert main(command) in (0, 3)  # goes on, however early it was stopped
    (place / "run.json").write_text('{"kind": "mnist"}')
    assert main(command) == 2
    assert "holds a run of another kind (mnist)" in capfd.readouterr().err


def test_a_mistyped_backbone_is_told_before_any_is_taught(folder, monkeypatch, capfd):
    from rotnet.training import class_recipes

    taught = []
    monkeypatch.setattr(class_recipes, "run_classifier", lambda *_, backbone, **__: taught.append(backbone))
    assert main(["train", "classifier", "in", "--backbone", "small_cnn", "typo"]) == 2
    assert not taught and "Received: backbone='typo'" in capfd.readouterr().err
    assert main(["train", "classifier", "in", "--backbone", "resnet51"]) == 2
    assert capfd.readouterr().err.endswith("did you mean 'resnet50'?\n")


def test_what_does_not_go_together_is_told_in_words_of_the_command(folder, capfd):
    photos(folder / "upright")
    for more, sentence in (
        (["--backbone", "small_cnn", "--from", "imagenet"], "--from random or --random-weights"),
        ([*SMALL, "--devices", "99"], "Received: devices=99"),
    ):
        assert main(["train", "photos", "upright", *more]) in (1, 2)
        assert sentence in capfd.readouterr().err
    assert main(["classify", "upright", "--model", "photo"]) == 2
    assert "photo is a preset that tells angles: use rotnet predict --model photo" in capfd.readouterr().err
    assert main(["classify", "upright", "--model", "runs/none"]) == 1
    assert "there is no runs/none/model.keras" in capfd.readouterr().err


def test_upright_pictures_are_told_from_others(folder, capfd):
    slopes(folder / "upright", 30)
    command = ["train", "upright", "upright", "--backbone", "small_cnn", "--size", "16", "--frozen-epochs", "1"]
    status = main([*command, "--epochs", "1", "-o", "run"])
    out, err = capfd.readouterr()
    assert status == (3 if json.loads((folder / "run/metrics.json").read_text())["guessing"] else 0)
    # nothing is frozen in a network that has learned nothing yet; it learns as long in all
    assert "epoch 2 of 2: " in out and "% right, " in out and "The model is ready: run/model.keras" in out
    assert err == "" and shapes(folder / "run/predictions.png")[0] > 200


# The closing words


def scores(within_5, pictures=400):
    return {"median": 2.0, "within_5": within_5, "gross": 0.1, "pictures": pictures}


@pytest.mark.parametrize(
    "mine, other, words",
    [
        (0.8, 0.6, "does better than photo"),
        (0.6, 0.8, "photo does better on these pictures"),
        (0.77, 0.7, "so few pictures do not tell"),  # 400 files, but of 100 pictures
    ],
)
def test_closing_words_say_which_model_is_better(tmp_path, mine, other, words):
    report = {"held_out": 100, "guessing": False, "files": scores(mine), "beside": {"photo": scores(other)}}
    text = photos_summary(report, tmp_path / "in", tmp_path / "my run")
    assert words in text and "On 100 pictures that it has not learned from, each turned by 4 angles" in text
    assert f"rotnet predict DIR --model '{tmp_path}/my run/model.onnx'" in text


def test_closing_words_say_that_a_model_guesses(tmp_path):
    report = {"held_out": 100, "guessing": True, "files": scores(0.03), "beside": {"photo": scores(0.8)}}
    text = photos_summary(report, tmp_path / "in", tmp_path / "run")
    assert "no better than guessing" in text and f"rotnet train photos {tmp_path}/in --from photo" in text
    assert "rotnet predict" not in text
    classes = {"small_cnn": {"accuracy": 0.5, "guessing": True}}
    assert "no better than" in classes_summary(classes, {"small_cnn": tmp_path})


# What frameworks say


def test_frameworks_are_hidden_and_we_are_not(capfd, monkeypatch):
    monkeypatch.setattr(sys, "stderr", open(2, "w", closefd=False))
    with quiet_frameworks():
        os.write(2, b"oneDNN custom operations are on\n")
        print("ours", file=sys.stderr)
    print("after", file=sys.stderr, flush=True)
    os.write(2, b"theirs again\n")
    assert capfd.readouterr().err == "ours\nafter\ntheirs again\n"


def test_what_was_hidden_is_shown_when_something_breaks(capfd):
    with pytest.raises(ZeroDivisionError), quiet_frameworks():
        os.write(2, b"why it broke\n")
        raise ZeroDivisionError
    assert capfd.readouterr().err == "why it broke\n"
    with quiet_frameworks(verbose=True):
        os.write(2, b"all of it\n")
    assert capfd.readouterr().err == "all of it\n"
