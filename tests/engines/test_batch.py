"""One class for every engine: columns in, columns out, a bad picture is a row."""

import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx, crooked
from pictures import encoded, exif_with
from PIL import Image
from trees import make_traps

from rotnet import RotNetError, angle_difference, predict_files
from rotnet.engines.batch import COLUMNS, BatchPredictor, share_of_cores
from rotnet.images.prefetch import usable_cores


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(compass_onnx(tmp_path_factory.mktemp("models") / "compass.onnx"))


@pytest.fixture(scope="module")
def predict(model):
    return BatchPredictor(model, threads=2)


def test_bytes_and_paths_give_the_same_columns(predict, tmp_path):
    data = [encoded(crooked(angle)) for angle in range(0, 360, 17)]
    paths = [tmp_path / f"{index}.png" for index in range(len(data))]
    for path, one in zip(paths, data, strict=True):
        path.write_bytes(one)
    answers = predict(data)
    assert tuple(answers) == COLUMNS
    assert predict(paths) == answers == predict(np.array(data, dtype=object)) == predict(map(str, paths))
    assert all(
        angle_difference(angle, turned) < 0.5 for angle, turned in zip(answers["angle"], range(0, 360, 17), strict=True)
    )
    assert set(answers["width"]) == {64} and set(answers["height"]) == {48} and set(answers["error"]) == {None}


def test_rows_are_those_of_predict_files(predict, model, tmp_path):
    make_traps(tmp_path / "in")
    files = list(predict_files(tmp_path / "in", model=model))
    answers = predict([file.path for file in files])
    for index, file in enumerate(files):
        row = file.as_dict()
        assert {name: answers[name][index] for name in ("angle", "confidence", "action", "reason", "error")} == {
            name: row.get(name) for name in ("angle", "confidence", "action", "reason", "error")
        }


def test_bad_pictures_are_rows_with_an_error(predict, tmp_path):
    bad = make_traps(tmp_path / "in")
    column = [str(tmp_path / "in" / name) for name in sorted(bad)]
    column += [str(tmp_path / "in"), b"", b"text", None, math.nan, 7, ""]
    answers = predict([*column, encoded(crooked(90.0))])
    assert all(answers["error"][:-1]) and answers["error"][-1] is None
    for name in set(COLUMNS) - {"error"}:
        assert answers[name][:-1] == [None] * len(column) and answers[name][-1] is not None
    assert predict([]) == {name: [] for name in COLUMNS}


def test_what_a_decoder_breaks_on_is_a_row(predict, monkeypatch):
    def burst(*_, **__):
        raise MemoryError

    monkeypatch.setattr("rotnet.images.reading.read_image", burst)
    assert predict([b"x"])["error"] == ["MemoryError: "]


@pytest.mark.parametrize("orientation, size", [(1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64))])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_size_is_that_of_the_picture_as_shown(predict, format, orientation, size):
    answers = predict([encoded(Image.fromarray(crooked(0.0)), format, exif=exif_with(orientation))])
    assert (answers["width"], answers["height"]) == ([size[0]], [size[1]])


def test_size_is_that_of_the_whole_picture(predict):
    picture = encoded(Image.fromarray(crooked(0.0, 1500, 2003)), "JPEG")
    assert [predict([picture])[name] for name in ("width", "height")] == [[2003], [1500]]


def test_mapping_keeps_its_other_columns_but_no_pictures(model):
    data = encoded(crooked(0.0))
    by_bytes = BatchPredictor(model, column="bytes")
    answers = by_bytes({"key": np.array(["a", "b"]), "bytes": np.array([data, b""], dtype=object)})
    assert list(answers) == ["key", *COLUMNS]
    assert list(BatchPredictor(model)({"path": ["no.jpg"], "n": [1]})) == ["path", "n", *COLUMNS]
    with pytest.raises(RotNetError, match="column="):
        by_bytes({"path": ["a.jpg"]})


def test_options_say_what_counts_as_turned(model):
    card = {"max_upright": 0.0}
    picky = str(compass_onnx(Path(model).with_name("picky.onnx"), card=card))
    slight = [encoded(crooked(8.0))]
    assert BatchPredictor(picky)(slight)["action"] == ["slight tilt"]
    assert BatchPredictor(picky, level=True)(slight)["action"] == ["turned"]
    assert BatchPredictor(picky, right_angles=True)(slight)["angle"] == [0.0]
    assert "max_pixels" in BatchPredictor(picky, max_pixels=9)(slight)["error"][0]


def test_only_the_name_travels(predict, model):
    sent = pickle.dumps(predict)
    assert len(sent) < 2000
    picture = [encoded(crooked(123.0))]
    assert pickle.loads(sent)(picture) == predict(picture)


@pytest.mark.parametrize("options", [{"model": 7}, {"turns": 3}, {"model": "no_such"}, {"min_confidence": 2}])
def test_wrong_options_are_refused_at_once(options):
    with pytest.raises(RotNetError):
        BatchPredictor(**options)


def test_share_of_cores(monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert share_of_cores() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("rotnet.images.prefetch.os.sched_getaffinity", lambda _: range(8))
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr("rotnet.images.prefetch._QUOTA", os.fspath(quota))
    assert share_of_cores() == usable_cores() == 8
    for text, cores in (("200000 100000", 2), ("50000 100000", 1), ("max 100000", 8)):
        quota.write_text(text)
        assert share_of_cores() == usable_cores() == cores


def test_other_containers_of_columns(predict):
    pa = pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    data = [encoded(crooked(90.0)), b""]
    assert predict(pa.array(data)) == predict(pd.Series(data)) == predict(data)
