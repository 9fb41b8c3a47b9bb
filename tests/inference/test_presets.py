"""The registry: search order, verification, names, and tensors."""

import hashlib
import json
import os

import numpy as np
import pytest

from rotnet.errors import OutputError, UnknownPresetError, WeightsError
from rotnet.inference import presets


def entry(name, content, **more):
    fields = {
        "name": name,
        "file": f"{name}.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "kind": "model",
        "input_size": [224, 224],
    }
    return {**fields, **more}


def fill(folder, contents, **more):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.onnx").write_bytes(content)
    rows = [entry(name, content, **more) for name, content in contents.items()]
    (folder / "registry.json").write_text(json.dumps({"version": 1, "presets": rows}))
    return folder


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package in `tmp_path/rotnet` whose presets lie inside it, as after an installation."""
    (tmp_path / "rotnet").mkdir()
    monkeypatch.setattr(presets, "_PACKAGE", tmp_path / "rotnet")
    monkeypatch.delenv("ROTNET_WEIGHTS", raising=False)
    return fill(tmp_path / "rotnet" / "weights", {"photo": b"photo weights", "mnist": b"mnist weights"})


@pytest.fixture
def own(tmp_path, shipped, monkeypatch):
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("ROTNET_WEIGHTS", str(tmp_path / "own"))
    return tmp_path / "own"


def test_presets_and_find(shipped):
    assert list(presets.presets()) == ["mnist", "photo"]
    preset = presets.presets()["photo"]
    assert preset.input_size == (224, 224) and preset.color_mode == "rgb" and preset.licence == ""
    with pytest.raises(AttributeError):
        preset.name = "other"
    assert presets.find("photo") == shipped / "photo.onnx"


def test_checkout_is_the_last_resort(tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "_PACKAGE", tmp_path / "rotnet")
    monkeypatch.delenv("ROTNET_WEIGHTS", raising=False)
    assert presets.weights_dirs() == [] and presets.presets() == {}
    with pytest.raises(UnknownPresetError, match="no preset is installed"):
        presets.find("photo")
    fill(tmp_path / "weights", {"photo": b"p"})
    assert presets.find("photo") == tmp_path / "weights" / "photo.onnx"


def test_own_folder_extends_and_overrides(shipped, own):
    fill(own, {"photo": b"mine", "cats": b"cats"})
    assert list(presets.presets()) == ["cats", "mnist", "photo"]
    assert presets.find("photo") == own / "photo.onnx"
    assert presets.find("mnist") == shipped / "mnist.onnx"


def test_own_folder_without_registry_holds_the_shipped_files(own):
    (own / "photo.onnx").write_bytes(b"photo weights")
    assert presets.find("photo") == own / "photo.onnx"
    (own / "photo.onnx").write_bytes(b"other weights")
    with pytest.raises(WeightsError, match="not the file of preset 'photo'"):
        presets.find("photo")


def test_own_folder_must_exist(shipped, monkeypatch, tmp_path):
    monkeypatch.setenv("ROTNET_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(WeightsError, match="ROTNET_WEIGHTS must name an existing folder; got '.*nowhere'"):
        presets.presets()


def test_explicit_path_wins(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.onnx").write_bytes(b"anything")
    assert presets.find("photo.onnx").samefile(tmp_path / "photo.onnx")
    assert presets.find(tmp_path / "photo.onnx") == tmp_path / "photo.onnx"
    (tmp_path / "photo").write_bytes(b"no extension: a preset's name still wins")
    assert presets.find("photo") == shipped / "photo.onnx"
    assert presets.find("./photo").read_bytes().startswith(b"no extension")


@pytest.mark.parametrize(
    ("model", "message"),
    [("x/y", "does not exist"), ("y.keras", "does not exist"), (".", "is a folder"), ("./", "is a folder")],
)
def test_bad_path(shipped, model, message):
    with pytest.raises(WeightsError, match=message) as caught:
        presets.find(model)
    assert caught.value.exit_code == 1


def test_unknown_name_suggests(shipped):
    with pytest.raises(UnknownPresetError, match=r"one of mnist, photo; got 'foto', did you mean 'photo'\?") as caught:
        presets.find("foto")
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownPresetError, match="got ''"):
        presets.find("")


def test_names_that_no_file_can_have_are_told(shipped):
    for name in ("a" * 5000 + ".onnx", "a\0.onnx", "\ud800.onnx"):
        with pytest.raises(WeightsError, match="does not exist"):
            presets.find(name)


@pytest.mark.parametrize("content", [b"photo weightz", b"photo", b""])
def test_altered_file_is_refused(shipped, content):
    presets.find("photo")
    path = shipped / "photo.onnx"
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))  # the digest is remembered by time and size
    with pytest.raises(WeightsError, match=r"expected .*, got .*; restore it"):
        presets.find("photo")


def test_hashed_once(shipped, monkeypatch):
    calls = []
    monkeypatch.setattr(presets, "sha256", lambda path, real=presets.sha256: calls.append(path) or real(path))
    presets.find("photo")
    presets.find("photo")
    assert len(calls) == 1


def test_missing_file(shipped):
    (shipped / "photo.onnx").unlink()
    with pytest.raises(WeightsError, match="photo.onnx, the file of preset 'photo', is not in"):
        presets.find("photo")


@pytest.mark.parametrize(
    "registry",
    ["", "[]", "{}", '{"version": 1}', '{"version": 2, "presets": []}', '{"version": 1, "presets": [{"name": "x"}]}',
     '{"version": 1, "presets": [3]}', "\x00", "[" * 100_000,
     *(json.dumps({"version": 1, "presets": [entry("x", b"") | wrong]}) for wrong in (
         {"name": []}, {"sha256": 5}, {"bytes": "many"}, {"bytes": 10**30}, {"input_size": "ab"}, {"licence": {}},
         {"errors": [1]}, {"file": "../x.onnx"}, {"file": ""}, {"description": None}))],
)  # fmt: skip
def test_bad_registry(shipped, registry):
    (shipped / "registry.json").write_text(registry)
    with pytest.raises(WeightsError, match="registry.json"):
        presets.presets()


def test_registry_of_the_future_may_have_more_fields(shipped):
    fill(shipped, {"photo": b"p"}, colour="blue")
    assert list(presets.presets()) == ["photo"]


def test_sha256(tmp_path):
    content = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "f").write_bytes(content)
    assert presets.sha256(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def test_tensors(tmp_path):
    pytest.importorskip("safetensors")
    tensors = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T, "n": np.array([1, 2], np.int64)}
    presets.save_tensors(tmp_path / "t.safetensors", tensors)
    loaded = presets.load_tensors(tmp_path / "t.safetensors")
    assert loaded.keys() == tensors.keys()
    for name in tensors:
        np.testing.assert_array_equal(loaded[name], tensors[name])
        assert loaded[name].dtype == tensors[name].dtype


def test_bad_tensors(tmp_path):
    pytest.importorskip("safetensors")
    (tmp_path / "t").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="must be a safetensors file"):
        presets.load_tensors(tmp_path / "t")
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        presets.load_tensors(tmp_path / "missing")
    with pytest.raises(OutputError, match="cannot be written"):
        presets.save_tensors(tmp_path / "t" / "inside", {})
