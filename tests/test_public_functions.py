"""Whatever is wrong with a picture file, a public function answers or raises an error of the tree."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx
from pictures import encoded, smooth
from PIL import Image, features

import rotnet
from rotnet import Predictor, RotNetError
from rotnet.engines.batch import BatchPredictor
from rotnet.files import decide_files, plan_targets, with_digests
from rotnet.files.check import check_files
from rotnet.files.correct import Turning, correct_bytes
from rotnet.files.preview import write_preview
from rotnet.images import reading
from rotnet.images.turn_file import turn_bytes
from rotnet.inference.options import Options

MODES = {
    "JPEG": ["L", "RGB", "CMYK"],
    "PNG": ["1", "L", "LA", "P", "RGBA", "I;16"],
    "TIFF": ["1", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"],
    "WEBP": ["RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB"],
    "GIF": ["L", "P"],
    "PPM": ["1", "L", "RGB", "I;16"],
    "JPEG2000": ["L", "RGBA", "I;16"],
    "AVIF": ["RGB", "RGBA"],
    "QOI": ["RGB", "RGBA"],
    "MPO": ["RGB"],
}
EXTENSIONS = {"JPEG": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "MPO": ".mpo"}
NO_FILES = {  # what takes arrays, numbers or models alone, and the types
    *("AngleError", "AnglePrediction", "Evaluation", "ImageError", "Predictor", "Preset", "RandomDegradation"),
    *("RandomUprightRotation", "RotNetError", "RotationTrainer", "angle_difference", "angle_error"),
    *("angle_error_regression", "binarize_images", "build_model", "circular_mean", "crop_around_center"),
    *("crop_largest_rectangle", "decode_angles", "encode_angles", "generate_rotated_image", "largest_rotated_rect"),
    *("presets", "rotate", "shown_angle", "square_view", "wrap_angle"),
}


def damages(data):
    """The file cut, garbled and zeroed, here and there."""
    chance, size = np.random.default_rng(len(data)), len(data)
    yield "whole", data
    for share in (0.02, 0.5, 0.97):
        at = int(share * size)
        garbage = chance.integers(0, 256, 40, np.uint8).tobytes()
        yield f"cut at {share}", data[:at]
        yield f"garbled at {share}", data[:at] + garbage + data[at + 40 :]
        yield f"zeros from {share}", data[:at] + bytes(size - at)
        yield f"40 bytes missing at {share}", data[:at] + data[at + 40 :]


def functions(compass, batch):
    """What takes a file, by its name: each takes the path of one, and may fail as the tree allows."""

    def files_of(path):
        out = path.parent / "out"
        shutil.rmtree(out, ignore_errors=True)
        return out

    def previewed(path):
        decisions = with_digests(decide_files(plan_targets([path], files_of(path)), compass, jobs=1), jobs=1)
        list(write_preview(decisions, path.parent / "page.html", Turning(), jobs=1))

    def corrected_bytes(path):
        correct_bytes(path.read_bytes(), compass, Options(min_confidence=0), Turning(strict=False), name="fuzz")

    def without_error(results):
        """Of many files one that fails is a row, and the others go on."""
        assert [result.error for result in results if not isinstance(result.error, (str, type(None)))] == []

    files = {"model": compass, "jobs": 1}
    return {
        "read_image": lambda path: rotnet.read_image(path),
        "read_image, lenient": lambda path: rotnet.read_image(path, short_side=8, strict=False),
        "open_pil": lambda path: reading.open_pil(path, strict=False),
        "predict_angle": lambda path: rotnet.predict_angle(path, model=compass),
        "predict_angle, bytes": lambda path: rotnet.predict_angle(path.read_bytes(), model=compass, strict=False),
        "is_upright": lambda path: rotnet.is_upright([path], model=compass),
        "correct_rotation": lambda path: rotnet.correct_rotation(path, model=compass, min_confidence=0),
        "predict_files": lambda path: without_error(rotnet.predict_files(path, model=compass)),
        "correct_files": lambda path: without_error(
            rotnet.correct_files(path, files_of(path), min_confidence=0, **files)
        ),
        "correct_files, lenient": lambda path: without_error(
            rotnet.correct_files(path, files_of(path), min_confidence=0, right_angles=True, strict=False, **files)
        ),
        "check_files": lambda path: without_error(check_files([path], compass)),
        "BatchPredictor": lambda path: batch([path, path.read_bytes()]),
        "evaluate": lambda path: rotnet.evaluate([path], model=compass, protocol="memory"),
        "RotNetDataGenerator": lambda path: next(
            rotnet.RotNetDataGenerator([path], input_shape=(16, 16, 3), batch_size=1)
        ),
        "turn_bytes": lambda path: turn_bytes(path.read_bytes(), 30.0),
        "turn_bytes, lenient": lambda path: turn_bytes(path.read_bytes(), 90.0, strict=False),
        "correct_bytes": corrected_bytes,
        "write_preview": previewed,
    }


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    model = str(compass_onnx(tmp_path_factory.mktemp("model") / "compass.onnx"))
    return functions(Predictor(model, threads=1), BatchPredictor(model, threads=1))


def test_every_public_name_is_in_the_table_or_takes_no_file(table):
    tried = {name.partition(",")[0] for name in table} | {"display_examples"}
    assert set(rotnet.__all__) <= tried | NO_FILES
    assert not tried & NO_FILES


@pytest.mark.parametrize("format", MODES)
def test_damaged_files_raise_nothing_outside_the_tree(format, table, tmp_path):
    if format == "WEBP" and not features.check("webp"):
        pytest.skip("Pillow without WebP")
    path = tmp_path / f"a{EXTENSIONS.get(format, f'.{format.lower()}')}"
    answered, wrong = set(), []
    for mode in MODES[format]:
        for damage, data in damages(encoded(in_mode(mode), format)):
            path.write_bytes(data)
            for name, function in table.items():
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # Pillow's, of odd metadata
                        function(path)
                    answered.add(name)
                except RotNetError as error:
                    assert damage != "whole" or format not in ("PNG", "JPEG"), (mode, name, error)
                except Exception as error:
                    wrong.append((mode, damage, name, repr(error)))
            assert path.read_bytes() == data
    assert not wrong
    # which cannot be turned without loss
    assert format == "JPEG2000" or answered == table.keys()


def test_figures_of_damaged_files(tmp_path):
    pytest.importorskip("matplotlib").use("agg")
    compass = Predictor(compass_onnx(tmp_path / "compass.onnx"), threads=1)
    for damage, data in damages(encoded(in_mode("RGB"), "JPEG")):
        Path(tmp_path, "a.jpg").write_bytes(data)
        try:
            rotnet.display_examples(compass, [tmp_path / "a.jpg"])
        except RotNetError:
            assert damage != "whole"


def in_mode(mode):
    gray = smooth(24, 32)[:, :, 1]
    if mode in ("I;16", "I", "F"):
        return Image.fromarray(gray.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    return Image.fromarray(smooth(24, 32)).convert(mode)
