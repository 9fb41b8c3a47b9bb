"""The examples run as they stand, with a network made for the test."""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx, crooked
from pictures import encoded
from PIL import Image

from rotnet import Predictor
from rotnet.cli.main import main
from rotnet.datasets import split_street_view
from rotnet.images.writing import write
from rotnet.training import run_upright
from rotnet.training.class_recipes import upright_streams

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PACKAGES = {"PIL": "pillow", "cv2": "opencv-python-headless", "skimage": "scikit-image", "sklearn": "scikit-learn"}


def rotnet_names(tree):
    """What a script takes of rotnet, as in the reference: pairs of module and name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "rotnet":
            yield from ((node.module, one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.name, "") for one in node.names if one.name.startswith("rotnet."))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rotnet":
            yield "rotnet", node.attr


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_use_public_names_only(path):
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    sections = (section.partition("`\n") for section in page.split("\n## `")[1:])
    public = {(module, name) for module, _, rows in sections for name in re.findall(r"^\| `(\w+)` \|", rows, re.M)}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert set(rotnet_names(tree)) <= public
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
    others = {name.partition(".")[0] for name in imported} - {"rotnet", *sys.stdlib_module_names}
    required = (ROOT / "setup.cfg").read_text(encoding="utf-8").lower()
    assert not [one for one in others if not re.search(rf"^    {PACKAGES.get(one, one)} >=", required, re.M)]


def test_contact_sheet_shows_each_picture_beside_its_own_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, angle in [("in/a.png", 30.0), ("in/sub/a.png", 200.0), ("in/b[1].png", 0.0)]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(encoded(crooked(angle)))
    Path("in/truth.csv").write_text("file,angle\na.png,30\n")
    model = str(compass_onnx("compass.onnx"))
    assert main(["correct", "in", "-o", "out", "--model", model, "--report", "out/report.jsonl"]) == 0
    rows = [json.loads(line) for line in Path("out/report.jsonl").read_text().splitlines()]
    assert [row["target"] for row in rows] == ["out/a.png", "out/b[1].png", "out/sub/a.png"]
    Path("out/sub/a.png").rename("elsewhere.png")  # the sheet takes the target of the row, not one of the same name
    command = [sys.executable, str(EXAMPLES / "contact_sheet.py"), "in", "out"]
    assert subprocess.run(command, capture_output=True).returncode == 1
    Path("elsewhere.png").rename("out/sub/a.png")
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert lines[0].split() == ["picture", "angle", "confidence", "action", "true", "error"]
    assert [line.split()[0] for line in lines[1:4]] == ["a.png", "b[1].png", "a.png"]
    with Image.open("out/contact-sheet.png") as sheet:
        assert sheet.width > 1000 and sheet.height > 500


# Teaching: a few generated pictures, for as long as it takes to see that everything fits together


def example(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def street(folder, places=20):
    """Side views: sky above, road below, houses between."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(places):
        for view in range(6):
            picture = np.full((40, 50, 3), (140, 180, 230), np.uint8)
            picture[rng.integers(10, 18) :] = rng.integers(60, 200, 3)
            picture[rng.integers(22, 30) :] = 90
            write(picture, folder / f"{place:06d}_{view}.jpg")
    return folder


def test_street_views_end_with_a_model_that_answers(tmp_path):
    folder = street(tmp_path)
    quick = {"backbone": "small_cnn", "weights": None, "size": 24, "epochs": 1, "batch_size": 16, "workers": 1}
    for original in (False, True):
        run = tmp_path / f"run{original}"
        report = example("train_street_view")["run"](folder, run, original=original, **quick)
        assert report["files"]["pictures"] == 4 * len(split_street_view(folder).val)
        assert json.loads((run / "settings.json").read_text())["sigma"] == (None if original else 3.0)
        assert Predictor(run / "model.onnx").input_size == (24, 24)
    begun = tmp_path / "runFalse" / "model.onnx"  # whose features are pooled
    report = example("train_street_view")["run"](
        folder, tmp_path / "more", weights=str(begun), size=24, epochs=1, batch_size=16, workers=1
    )
    assert report["beside"]["photo"]["pictures"] == report["files"]["pictures"]
    settings = json.loads((tmp_path / "more" / "settings.json").read_text())
    assert settings["sigma"] == 1.5 and settings["learning_rate"] < 1e-4
    for head in ("sigmoid", "sincos"):
        report = example("train_street_view_regression")["run"](folder, tmp_path / head, head=head, **quick)
        assert report == json.loads((tmp_path / head / "metrics.json").read_text()) and 0 < report["mean"] < 180


def test_an_upright_classifier_is_taught_and_asked(tmp_path):
    script = example("train_upright_classifier")
    photos = street(tmp_path / "photos", places=4)
    quick = {"backbone": "small_cnn", "weights": None, "size": 24, "frozen_epochs": 0, "epochs": 1, "workers": 1}
    report = run_upright(photos, tmp_path / "run", **quick)
    assert set(report) >= {"upright", "wrong", "auc", "confusion"}
    for name in ("learning-curves.png", "predictions.png"):
        with Image.open(tmp_path / "run" / name) as picture:
            assert picture.width > 300
    answer = script["predict"](tmp_path / "run", photos / "000001_1.jpg")
    assert re.fullmatch(r".*000001_1.jpg: (upright|wrong), probability [01]\.\d\d", answer)


def test_sorted_pictures_can_be_learned_from_as_well(tmp_path):
    for name in ("upright", "wrong"):
        street(tmp_path / name, places=2)
    learn, val = upright_streams(tmp_path, (24, 24, 3), batch_size=8, workers=1)
    assert len(learn.data) == 2 * 10 and len(val.data) == 2 * 2 and learn.data.classes == ("upright", "wrong")


def test_image_classifiers_are_taught_and_compared(tmp_path, capsys, monkeypatch):
    for name in ("left", "right"):
        street(tmp_path / "classes" / name, places=2)
    arguments = ["train", tmp_path / "classes", "-o", tmp_path / "runs", "--backbone", "small_cnn"]
    arguments += ["--size", "24", "--frozen-epochs", "0", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["train_image_classifier.py", *map(str, arguments)])
    script = example("train_image_classifier")
    script["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split() == ["backbone", "parameters", "accuracy", "macro", "F1"]
    assert lines[-1].split()[0] == "small_cnn"
    run = tmp_path / "runs" / "small_cnn"
    assert {path.name for path in run.iterdir()} >= {"model.keras", "classes.json", "confusion.png", "metrics.json"}
    picture = str(tmp_path / "classes" / "left" / "000001_1.jpg")
    monkeypatch.setattr(sys, "argv", ["train_image_classifier.py", "predict", str(run), picture])
    script["main"]()
    assert re.search(r"000001_1.jpg: (left|right), probability", capsys.readouterr().out)


def test_rotation_as_a_pretext_is_measured(tmp_path):
    rng = np.random.default_rng(0)
    digits, labels = rng.integers(0, 256, (40, 28, 28), np.uint8), np.arange(40) % 10
    np.savez(tmp_path / "mnist.npz", x_train=digits, y_train=labels, x_test=digits[:20], y_test=labels[:20])
    quick = {"labels_per_class": 2, "unlabelled": 10, "pretext_epochs": 1, "epochs": 1, "seeds": (0,)}
    found = example("rotation_pretext")["run"](tmp_path / "mnist.npz", **quick)
    assert len(found) == 4 and all(0 <= accuracy <= 1 for scores in found.values() for accuracy in scores)
