"""A model saved as a folder is what the Hub shows and what a predictor takes."""

import os
import sys
from pathlib import Path

import pytest
import yaml
from compass import compass_onnx, crooked

import rotnet
from rotnet.cli.main import main
from rotnet.errors import OutputError, UsageError, WeightsError
from rotnet.inference import presets
from rotnet.inference.model_folder import save_folder


def metadata(folder):
    start, text, words = Path(folder, "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert start == "" and words.startswith("\n# ")
    return yaml.safe_load(text)


def test_saved_and_loaded_answers_alike(folder, model):
    save_folder(model, "hub/mine", licence="cc-by-4.0")
    picture = crooked(30.0)
    assert rotnet.Predictor("hub/mine").predict(picture).angle == rotnet.Predictor(model).predict(picture).angle
    assert metadata("hub/mine")["license"] == "cc-by-4.0"
    os.chdir("hub")
    assert presets.find("mine") == Path("mine/model.onnx"), "a folder may be named without a separator too"


def test_card_of_a_preset_says_what_the_registry_knows(folder):
    save_folder("photo", "hub")
    facts, words = metadata("hub"), Path("hub/README.md").read_text(encoding="utf-8")
    assert facts["license"] == "mit" and facts["library_name"] == "rotnet"
    assert facts["pipeline_tag"] == "image-classification" and "onnx" in facts["tags"]
    assert f"{presets.presets()['photo'].errors['mean']}°" in words
    assert presets.sha256("hub/model.onnx") == presets.presets()["photo"].sha256


def test_the_folder_at_hand_is_called_by_its_name(folder, model, monkeypatch):
    os.makedirs("straight")
    monkeypatch.chdir("straight")
    save_folder(model, ".")
    assert "\n# straight\n" in Path("README.md").read_text(encoding="utf-8")


def test_licence_of_an_unknown_model_is_left_open(folder, model):
    save_folder(model, "hub")
    assert "license" not in metadata("hub")


@pytest.mark.parametrize("name", ["README.md", "model.onnx"])
def test_nothing_is_replaced(folder, model, name):
    os.mkdir("hub")
    Path("hub", name).write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        save_folder(model, "hub")
    assert os.listdir("hub") == [name] and Path("hub", name).read_text() == "mine"


def test_only_onnx_is_saved(folder):
    Path("mine.keras").write_bytes(b"")
    with pytest.raises(UsageError, match="--format onnx first"):
        save_folder("mine.keras", "hub")


@pytest.mark.parametrize("name", ["./empty", "empty"])
def test_folder_without_a_model_is_refused(folder, name):
    os.mkdir("empty")
    with pytest.raises(WeightsError, match="is a folder without a model.onnx"):
        presets.find(name)


def test_a_preset_comes_before_a_folder_of_its_name(folder):
    os.mkdir("photo")
    compass_onnx("photo/model.onnx")
    assert presets.find("photo").name == "photo.onnx" and presets.find("./photo") == Path("photo/model.onnx")


def test_command_needs_no_keras(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    assert main(["export", "photo_int8", "--format", "folder", "-o", "hub"]) == 0
    assert "before you share it" in capsys.readouterr().out
    assert sorted(os.listdir("hub")) == ["README.md", "model.onnx"]
