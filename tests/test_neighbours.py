"""What docs/neighbours.md tells people to do beside other programs does what it says; stand-ins take their place."""

import os
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from compass import crooked
from pictures import encoded
from trees import save

import rotnet
from rotnet.cli.main import main

PAGE = (Path(__file__).parents[1] / "docs" / "neighbours.md").read_text(encoding="utf-8")


def block(heading):
    """The Python of a section."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return compile(code, f"neighbours.md, {heading}", "exec")


@pytest.fixture
def compass_as_photo(compass, monkeypatch):
    """`photo` answers rightly for the pictures of the tests."""
    monkeypatch.setattr("rotnet.files.predict.as_predictor", lambda model: compass)


def test_times_stay_and_are_touched_where_pictures_were_turned(folder, model):
    save("originals/a.png", 30.0)
    save("originals/b.png", 0.0)
    for name in os.listdir("originals"):
        os.utime(f"originals/{name}", (1e9, 1e9))
    command = ["correct", "originals", "--in-place", "--backup", ".orig", "--report", "turned.csv", "--model", model]
    assert main(command) == 0
    assert os.stat("originals/a.png").st_mtime == 1e9, "as the page says"
    exec(block("PhotoPrism"))
    assert os.stat("originals/a.png").st_mtime > 1e9
    assert os.stat("originals/a.png.orig").st_mtime == os.stat("originals/b.png").st_mtime == 1e9


def test_tag_alone_leaves_pixels_as_they_were(folder, model):
    Path("a.jpg").write_bytes(encoded(crooked(90.0), "JPEG", quality=95))
    pixels = rotnet.read_image("a.jpg")
    command = ["correct", "a.jpg", "--in-place", "--right-angles", "--quarter-turns", "exif", "--model", model]
    assert main(command) == 0
    turned = rotnet.read_image("a.jpg")
    assert np.array_equal(turned, np.rot90(pixels, -1)), (
        "the same pixels, and programs that obey the tag show them upright"
    )


def test_verdicts_beside_the_pictures(folder, compass_as_photo, monkeypatch):
    class Dataset(list):
        def __init__(self, name):
            super().__init__()
            self.name = name

        add_samples = list.extend

    fiftyone = types.ModuleType("fiftyone")
    fiftyone.Sample, fiftyone.Dataset = lambda **fields: fields, Dataset
    monkeypatch.setitem(sys.modules, "fiftyone", fiftyone)
    save("holiday/a.png", 30.0)
    Path("holiday/bad.jpg").write_text("no picture")
    names = {}
    exec(block("FiftyOne"), names)
    (sample,) = names["dataset"]
    assert sample["filepath"] == os.path.realpath("holiday/a.png") and sample["tags"] == ["turned"]
    assert sample["angle"] == pytest.approx(30.0, abs=0.5) and sample["reason"]


def test_a_model_is_a_folder(folder):
    save("holiday/camera.jpg", 30.0)
    assert main(["export", "photo_int8", "--format", "folder", "-o", "mine"]) == 0
    names = {}
    exec(block("Hugging Face"), names)
    assert isinstance(names["answer"], rotnet.AnglePrediction)
    assert main(["predict", "holiday", "--model", "mine/"]) == 0
